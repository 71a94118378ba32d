#!/bin/bash
# Boots systemd as process 1 of namespaces of its own, on a view of this machine's root file system
# whose changes are kept in memory, with the files of TREE laid over it. Outside, nothing changes.
# Runs until it is killed. Needs root.
#
# Usage: boot_systemd.sh SCRATCH TREE CGROUP   SCRATCH is an empty folder, CGROUP an empty cgroup v2
set -euo pipefail

if [[ ${1:-} != inside ]]; then
  echo $$ > "$3/cgroup.procs"
  exec unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup --propagation private \
    "$0" inside "$1" "$2"
fi

scratch=$2 tree=$3
mount -t tmpfs tmpfs "$scratch"
mkdir "$scratch"/{changes,work,root}
mount -t overlay overlay "$scratch/root" \
  -o "lowerdir=/,upperdir=$scratch/changes,workdir=$scratch/work"
cd "$scratch/root"

tar -C "$tree" -c . | tar -x --keep-directory-symlink --no-overwrite-dir
# None of this machine's own services.
mount -t tmpfs tmpfs etc/systemd/system
: > etc/fstab

# Kernel settings are not part of any namespace: out of reach.
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null:3 zero:5 full:7 random:8 urandom:9; do
  mknod -m 666 "dev/${device%:*}" c 1 "${device#*:}"
done
mkdir dev/{pts,shm,mqueue}
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd

mkdir old
pivot_root . old
cd /
umount -l old
mount --make-rshared /
ip link set lo up
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=number-dispenser.service
