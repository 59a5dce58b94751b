"""libvirt on a lab's host, with small guests that QEMU translates: no KVM, D-Bus or udev is needed.

    with Lab(1) as lab:
        libvirt = Libvirt(lab.hosts[0])
        libvirt.start()
        libvirt.boot("instance-00000001")
        libvirt.virsh("suspend", "instance-00000001")
"""

QEMU = """\
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
security_default_confined = 0
cgroup_controllers = [ ]
namespaces = [ ]
seccomp_sandbox = 0
stdio_handler = "file"
"""
DAEMON = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
"""
DOMAIN = """\
<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type><boot dev='hd'/></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<graphics type='vnc' port='-1' autoport='yes' listen='{host.ip}'/>
{disk}
<memballoon model='none'/></devices></domain>
"""
# A boot sector that writes to its disk, 32 kB after 32 kB, for ever: INT 13h, function 43h.
WRITER = bytes.fromhex(
    "31c0 8ed8"  # ds = 0
    "be207c"  # si = the packet
    "b80043 b280 cd13"  # write
    "668306287c40"  # its sector += 64
    "ebf1"  # again
).ljust(0x20, b"\0") + bytes.fromhex("1000 4000 007e 0000 4000000000000000")


class Libvirt:
    """The monolithic daemon of a host (Debian 12 has no virtqemud), its unit enabled."""

    def __init__(self, host):
        self.host, self.daemon = host, None

    def start(self, *under):
        """Starts (again) the daemon, by the command `under` if given, and waits until it answers."""
        self.host.etc("libvirt/qemu.conf", QEMU)
        self.host.etc("libvirt/libvirtd.conf", DAEMON)
        self.host.etc("systemd/system/multi-user.target.wants/libvirtd.service", "")
        # What QEMU can do is remembered there; that is the machine's own.
        if self.host.run(["mountpoint", "-q", "/var/cache/libvirt"], check=False).returncode != 0:
            self.host.run(["mount", "-t", "tmpfs", "tmpfs", "/var/cache/libvirt"])
        self.daemon = self.host.start([*under, "libvirtd", "-f", "/etc/libvirt/libvirtd.conf"], log="libvirtd.log")
        self.host.lab.until(lambda: self.virsh("version"), what="libvirtd answers")

    def virsh(self, *words, check=True, timeout=60):
        """What virsh says."""
        return self.host.run(["virsh", "-q", "-c", "qemu:///system", *words], check=check, timeout=timeout).stdout

    def boot(self, name, disk=""):
        """Makes a guest and starts it; `disk` is the path of its disk."""
        if disk:
            disk = f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{disk}'/><target dev='hda'/></disk>"
        xml = self.host.root / f"{name}.xml"
        xml.write_text(DOMAIN.format(name=name, host=self.host, disk=disk))
        self.virsh("define", str(xml))
        self.virsh("start", name)

    def state(self, name):
        """State and reason, as "paused (user)"."""
        return self.virsh("domstate", "--reason", name).strip()

    def small_disk(self, name, room="4m", size="64M"):
        """A disk that writes on itself, of a size that its folder has no room for; its path."""
        folder = self.host.mine(name)
        self.host.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", folder])
        image = f"{folder}/disk.raw"
        with open(self.host.root / "boot.raw", "wb") as sector:
            sector.write(WRITER.ljust(510, b"\0") + b"\x55\xaa")
        self.host.run(["cp", self.host.root / "boot.raw", image])
        self.host.run(["truncate", "-s", size, image])
        return image

    def guest(self, name):
        """The pid of a guest's QEMU, outside."""
        wanted = f"guest={name},".encode()
        for pid, words in self.host.commands("qemu-system-x86"):
            if any(wanted in word for word in words):
                return pid
        return None
