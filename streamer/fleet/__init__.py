"""Many machines, joined: the ordinary house as a node of a cluster, its placement, and Ray, which starts both.

    commands ─▶ state in Redis ◀─ Placing (one)          who lives, who watches what
                     ▲  │
              beats  │  ▼  shares
                    Host (one per node)                  the house, leases, handovers

Only on_ray.py and inference_on_ray.py know of Ray: the one starts these where they belong and again where they die, the
other carries pictures to nodes that have the model (answering.py; ADR 15). All that has to be right
(who may speak for a camera, what is open, what was decided) is in Redis and compared there; Ray being late or wrong
costs time and nothing else. docs/cluster.md, ADR 14.
"""
