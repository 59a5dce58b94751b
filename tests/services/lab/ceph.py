"""Ceph on a lab's hosts: a MON on each, MGRs and MDSs on the first two, an OSD on the last, one CephFS.

    with Lab(3) as lab:
        ceph = Ceph(lab)
        ceph.start()
        ceph.daemon["mds", ceph.active_mds()].kill()

A daemon is called as its host. What the MONs wait before they take a daemon for dead is shortened by
`GRACES`; all else is as a package sets it up.
"""
import json
import subprocess
import uuid

MONS_BIND = "[v2:{host.ip}:3300,v1:{host.ip}:6789]"
# A MON forgets what it has waited where it looks too seldom: grace less interval must be longer than its tick.
GRACES = """\
mon tick interval = 1
mds beacon interval = 1
mds beacon grace = 6
mds beacon mon down grace = 12
mgr tick period = 1
mon mgr beacon grace = 6
mon pg stuck threshold = 6
"""
CONF = """\
[global]
fsid = {fsid}
mon initial members = {names}
mon host = {addresses}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
mon data avail warn = 1
mon data avail crit = 1
mon warn on pool no redundancy = false
mon allow pool delete = true
osd pool default size = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
bluestore block size = 1073741824
bluestore fsck on mount = false
bdev enable discard = false
osd memory target = 939524096
{graces}{more}"""
CAPS = {
    "mon.": ["mon", "allow *"],
    "client.admin": ["mon", "allow *", "osd", "allow *", "mds", "allow *", "mgr", "allow *"],
    "mgr": ["mon", "allow profile mgr", "osd", "allow *", "mds", "allow *"],
    "mds": ["mon", "allow profile mds", "osd", "allow *", "mds", "allow *"],
    "osd": ["mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"],
}


class Ceph:
    """The cluster; `daemon` has its processes by (kind, host). `more` are lines for [global]."""

    def __init__(self, lab, more=""):
        self.lab, self.more, self.daemon = lab, more, {}
        self.fsid = str(uuid.uuid4())
        self.mons = lab.hosts
        self.pairs = [host for host in lab.hosts[:2]]
        self.osd = lab.hosts[-1]

    # Set-up

    def start(self):
        """Makes the cluster and waits until it is HEALTH_OK."""
        self.install()
        for host in self.mons:
            self.start_mon(host)
        self.lab.until(lambda: len(self.mon_status(self.mons[0])["quorum"]) == len(self.mons), what="quorum")
        for host in self.pairs:
            self.start_mgr(host)
            self.start_mds(host)
        self.start_osd()
        for line in ("osd pool create meta 1", "osd pool create data 1", "fs new cephfs meta data"):
            self.ceph(line)
        self.lab.until(self.settled, 120, what="HEALTH_OK", every=0.5)

    def install(self):
        """Writes configuration, keys and the MONs' folders on every host."""
        names = ",".join(host.name for host in self.mons)
        addresses = ",".join(MONS_BIND.format(host=host) for host in self.mons)
        conf = CONF.format(fsid=self.fsid, names=names, addresses=addresses, graces=GRACES, more=self.more)
        self.keys = self.lab.folder / "keys"
        self.keys.touch()
        daemons = [f"{kind}.{host.name}" for kind in ("mgr", "mds") for host in self.pairs]
        for name in ["mon.", "client.admin", *daemons, "osd.0"]:
            caps = CAPS.get(name) or CAPS[name.split(".")[0]]
            words = [word for pair in zip(caps[::2], caps[1::2]) for word in ("--cap", *pair)]
            self._tool("ceph-authtool", self.keys, "--gen-key", "-n", name, *words)
        monmap = self.lab.folder / "monmap"
        added = [word for host in self.mons for word in ("--addv", host.name, MONS_BIND.format(host=host))]
        self._tool("monmaptool", "--create", "--fsid", self.fsid, "--set-min-mon-release", "pacific", *added, monmap)
        for host in self.lab.hosts:
            host.etc("ceph/ceph.conf", conf)
            host.etc("ceph/ceph.client.admin.keyring", self.key("client.admin"), owner="ceph", mode=0o600)
        for host in self.mons:
            # It keeps the MONs' own key in its folder, and takes in the others'.
            host.run(["ceph-mon", "--mkfs", "-i", host.name, "--monmap", monmap, "--keyring", self.keys], timeout=30)
            host.run(["chown", "-R", "ceph:ceph", "/var/lib/ceph/mon"])

    def _tool(self, *command):
        return subprocess.run([str(word) for word in command], check=True, timeout=30, capture_output=True, text=True).stdout

    def key(self, name):
        """A keyring with one name's key."""
        found = self._tool("ceph-authtool", self.keys, "-n", name, "--print-key").strip()
        return f"[{name}]\n\tkey = {found}\n"

    def _folder(self, kind, host, keyring):
        inside = f"/var/lib/ceph/{kind}/ceph-{host.name}"
        target = host.folder / inside.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        (target / "keyring").write_text(keyring)
        (target / "keyring").chmod(0o600)
        host.run(["chown", "-R", "ceph:ceph", inside])
        return inside

    # Daemons

    def _start(self, kind, host):
        host.etc(f"systemd/system/ceph-{kind}.target.wants/ceph-{kind}@{host.name}.service", "")
        command = [f"ceph-{kind}", "-f", "--cluster", "ceph", "--id", host.name, "--setuser", "ceph", "--setgroup", "ceph"]
        self.daemon[kind, host] = host.start(command)

    def start_mon(self, host):
        """Starts (again) a host's MON."""
        self._start("mon", host)

    def start_mgr(self, host):
        """Starts (again) a host's MGR."""
        self._folder("mgr", host, self.key(f"mgr.{host.name}"))
        self._start("mgr", host)

    def start_mds(self, host):
        """Starts (again) a host's MDS."""
        self._folder("mds", host, self.key(f"mds.{host.name}"))
        self._start("mds", host)

    def start_osd(self):
        """Makes the OSD on a sparse file and starts it."""
        known, host = str(uuid.uuid4()), self.osd
        secret = json.dumps({"cephx_secret": self.key("osd.0").split("key = ")[1].strip()})
        host.run(["ceph", "osd", "new", known, "-i", "-"], input=secret, timeout=30)
        folder = host.mine("osd-0")
        (folder / "keyring").write_text(self.key("osd.0"))
        self._osd = ["ceph-osd", "--id", "0", "--osd-data", folder, "--keyring", folder / "keyring"]
        host.run([*self._osd, "--mkfs", "--osd-uuid", known], timeout=60)
        self.run_osd()

    def run_osd(self):
        """Starts (again) the OSD."""
        self.daemon["osd", self.osd] = self.osd.start([*self._osd, "-f"])

    # What it says

    def socket(self, kind, host, command):
        """What a daemon's admin socket answers."""
        answer = host.run(["ceph", "--admin-daemon", f"/run/ceph/ceph-{kind}.{host.name}.asok", *command.split()], timeout=10)
        return json.loads(answer.stdout)

    def mon_status(self, host):
        """A MON's status by its own socket."""
        return self.socket("mon", host, "mon_status")

    def ceph(self, line, host=None, timeout=30):
        """`ceph LINE` on a host; its answer, from JSON if it is."""
        words = line.split() if isinstance(line, str) else line
        done = (host or self.mons[0]).run(["ceph", "--connect-timeout", "20", "-f", "json", *words], timeout=timeout)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    def health(self, host=None):
        """{code: severity} of the health checks."""
        checks = self.ceph("health detail", host)["checks"]
        return {code: check["severity"] for code, check in checks.items()}

    def settled(self):
        """True when all is well and every daemon has found its place: Ceph is HEALTH_OK before that."""
        seen = self.ceph("status")
        standbys = seen["mgrmap"]["num_standbys"], seen["fsmap"]["up:standby"]
        return seen["health"]["status"] == "HEALTH_OK" and self.active_mds() and self.active_mgr() and standbys == (1, 1)

    def active_mds(self):
        """The host whose MDS has rank 0, and is up:active, as the MONs have it."""
        ranks = self.ceph("status")["fsmap"]["by_rank"]
        return next((host for host in self.pairs for rank in ranks if (rank["name"], rank["status"]) == (host.name, "up:active")), None)

    def active_mgr(self):
        """The host whose MGR is active, as the MONs have it."""
        seen = self.ceph("mgr stat")
        return next((host for host in self.pairs if seen["available"] and seen["active_name"] == host.name), None)
