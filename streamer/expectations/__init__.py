"""What a recording's alerts should be: read, compared with what was seen, told, written down."""
