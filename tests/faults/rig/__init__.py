"""What the fault tests share: disks that fail, small file systems, recorders, crowds of clients."""
