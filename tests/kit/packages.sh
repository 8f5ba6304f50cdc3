#!/bin/sh
# Installs what the tests need from the distribution: the C programs as peers, qemu for the kernel tests, network tools.
# Without root it only names what is missing.
set -eu
wanted="openvswitch-switch openvswitch-common qemu-system-x86 busybox-static kmod iproute2 iputils-ping iperf3 tcpdump"
missing=
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "the tests want these packages, which are not installed:$missing" >&2
    exit 0
fi
apt-get update -qq
# The service must not start by itself: the tests start their own daemons.
RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
