"Is it still right, is it still up?"
