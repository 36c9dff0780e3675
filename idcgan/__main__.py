"""`python -m idcgan` is the same as `idcgan`."""

from .cli import main

if __name__ == "__main__":
    main()
