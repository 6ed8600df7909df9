"""Where alerts and results leave the house: the outbox, its receivers, the live feed."""
