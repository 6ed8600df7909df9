"""Pictures that a GPU decoded and that stay there: shrunk, coloured and laid into the net's input where they are."""
