"""Many machines: where every camera runs, who may speak for it, and what it takes along when it moves.

Everything here decides or protects; nothing here starts processes or knows of Ray. Whoever runs a cluster wires this
(docs/adr/0013-cameras-that-move.md says why):

Placement actor: one; it may be restarted, for all that it knows is in Redis and in the configuration.
    placement.place(cameras, nodes, now)
        cameras: demand.CameraDemand, its cost from capacity.cost_of(Look, Rates of the reference machine)
        nodes: demand.Node, its capacity from capacity.capacity_of(rates_of(its bench JSON), the reference's)
        now: camera -> node; after a restart from LeaseStore.all(), an owner is 'NODE/UUID OF ITS OUTBOX'
    LeaseStore.forget(cameras): those that left the configuration

Host actor: one per node; it runs the ordinary house.
    with open_house(config, clock, origin, epoch_of=lambda camera: held.epoch_of(camera)) as house:
        without cameras at first; they come and go by house.changing.change(wanted)
    store = LeaseStore(redis_url, f'{node}/{house.delivery.outbox.uuid}')
    held = HeldLeases(store, clock, on_lost); held.start(on_failure); held.rows() for metrics; held.close() at the end

A camera comes:
    taken = held.take([camera], by_force=its node is known to be dead)[camera]; of a Refusal try again after for_s
    outbox.fence_older(camera, taken.epoch, fencing.FENCED); where not taken.resumed: outbox.let_go_of(camera)
    waiting = outbox.waiting_of(camera)    first this, then the next line, see estate.what_is_open
    left = Estate(url, clock).of({camera: 'the camera moved from A, which died, to B'})[camera]
    left = replace(left, open=what_is_open(left.open, waiting))
    ends = MovingCamera(camera, pipeline, (book, link.book)).arrive(left); sink.announce(ends)
        between Cameras.build and Cameras.take_in: before its first frame
Every few seconds: held.checkpoint({camera: encode_handover(moving.checkpoint(now, 'checkpoint'))})
A camera leaves, because of a drain or a better balance:
    moving.will_leave(); house.changing.change(wanted without it)
    wait until outbox.waiting_of(camera) is empty, or what waits is fenced
    held.leave({camera: encode_handover(moving.left(now, why))}); outbox.let_go_of(camera)
on_lost(cameras): will_leave() and take them out, outbox.let_go_of each; there is nothing to hand over

MovingCamera is in streamer/assembly/moving.py, because it needs the camera's pipeline and books.
"""
