"""Draw: figures and pages from numbers that other rooms have computed. The only room that imports matplotlib."""
