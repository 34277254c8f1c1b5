"""The programs that keep the house: generated pages, goldens, the matrix, releases."""
