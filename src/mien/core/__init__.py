"""What every room speaks: types, labels, images, errors. Imports nothing else of mien."""
