"The price, its range, its reasons."
