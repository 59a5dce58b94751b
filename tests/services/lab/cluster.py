"""A Pacemaker cluster on a lab's hosts, quick to notice: token 1 s, a DC within seconds.

    with Lab(3) as lab, Cluster(lab) as cluster:
        cluster.pcs("resource create vip ocf:heartbeat:IPaddr2 ip=10.77.0.100")

No fencing unless a test makes some; `pcs` works without its daemon.
"""
import xml.etree.ElementTree as ElementTree

COROSYNC = """\
totem {{
  version: 2
  cluster_name: lab
  transport: knet
  crypto_cipher: none
  crypto_hash: none
  token: 1000
}}
quorum {{
  provider: corosync_votequorum
{quorum}}}
logging {{
  to_logfile: yes
  logfile: /var/log/corosync/corosync.log
  to_syslog: no
  timestamp: hires
}}
nodelist {{
{nodes}}}
"""
NODE = """\
  node {{
    ring0_addr: {host.ip}
    name: {host.name}
    nodeid: {id}
  }}
"""
# What a cluster's first start would write, but for the first two: the default waits
# 20 s for a DC, and without a fence device nothing starts.
CIB = """\
<cib crm_feature_set="3.6.0" validate-with="pacemaker-3.5" epoch="1" num_updates="0" admin_epoch="0">
  <configuration>
    <crm_config>
      <cluster_property_set id="cib-bootstrap-options">
        <nvpair id="cib-bootstrap-options-dc-deadtime" name="dc-deadtime" value="2s"/>
        <nvpair id="cib-bootstrap-options-stonith-enabled" name="stonith-enabled" value="false"/>
      </cluster_property_set>
    </crm_config>
    <nodes/><resources/><constraints/>
  </configuration>
  <status/>
</cib>
"""


class Cluster:
    """Corosync and Pacemaker on every host of the lab, or on those named."""

    def __init__(self, lab, hosts=None, quorum=None, cib=CIB):
        self.lab, self.hosts, self.cib = lab, hosts or lab.hosts, cib
        self.quorum = quorum if quorum is not None else ["two_node: 1"] if len(self.hosts) == 2 else []
        self.corosync, self.pacemaker = {}, {}

    def __enter__(self):
        for host in self.hosts:
            self.install(host)
        for host in self.hosts:
            self.start(host)
        self.settled()
        return self

    def __exit__(self, *_):
        pass  # the lab takes its hosts down

    def install(self, host):
        """Writes the cluster's files on a host."""
        nodes = "".join(NODE.format(host=each, id=each.number + 1) for each in self.hosts)
        quorum = "".join(f"  {line}\n" for line in self.quorum)
        host.etc("corosync/corosync.conf", COROSYNC.format(quorum=quorum, nodes=nodes))
        place = host.folder / "var/lib/pacemaker/cib/cib.xml"
        place.write_text(self.cib)
        host.run(["chown", "hacluster:haclient", "/var/lib/pacemaker/cib/cib.xml"])
        host.run(["chmod", "600", "/var/lib/pacemaker/cib/cib.xml"])
        for unit in ("corosync", "pacemaker"):
            host.etc(f"systemd/system/multi-user.target.wants/{unit}.service", "")

    def start(self, host):
        """Starts (again) both daemons of a host."""
        self.corosync[host] = host.start(["corosync", "-f"])
        self.lab.until(lambda: host.run(["corosync-cfgtool", "-s"], check=False).returncode == 0, what="corosync")
        self.pacemaker[host] = host.start(
            ["pacemakerd", "-f"], env={"PCMK_logfile": "/var/log/pacemaker/pacemaker.log", "PCMK_logfacility": "none"}
        )

    def settled(self, hosts=None, timeout=90):
        """Waits until these hosts see each other online, with a DC and nothing under way."""
        wanted = {host.name for host in hosts or self.hosts}

        def calm(host):
            # pcs and the transition engine know better than the picture when all is done.
            seen = self.status(host)
            online = {node.get("name") for node in seen.find("nodes") if node.get("online") == "true"}
            pending = [node for node in seen.find("nodes") if node.get("pending") == "true"]
            dc = seen.find("summary/current_dc")
            return wanted <= online and not pending and dc is not None and dc.get("present") == "true"

        for host in hosts or self.hosts:
            self.lab.until(lambda host=host: calm(host), timeout, what=f"{host.name} sees the cluster", every=0.3)
        self.wait(next(iter(hosts or self.hosts)))

    def wait(self, host=None, timeout=60):
        """Waits until the cluster has nothing left to do."""
        host = host or self.hosts[0]
        host.run(["crm_resource", "--wait", f"--timeout={timeout}s"], timeout=timeout + 10)

    def status(self, host=None):
        """crm_mon's picture as one host has it."""
        host = host or self.hosts[0]
        return ElementTree.fromstring(host.run(["crm_mon", "-1", "--output-as=xml"], timeout=20).stdout)

    def pcs(self, line, host=None, timeout=60, check=True):
        """Runs `pcs LINE` on a host; its output."""
        host = host or self.hosts[0]
        return host.run(["pcs", *(line.split() if isinstance(line, str) else line)], timeout=timeout, check=check).stdout

    def where(self, resource, role=None, host=None):
        """Names of the hosts on which a resource is active (in that role)."""
        return sorted(
            node.get("name")
            for found in self.status(host).find("resources").iter("resource")
            if found.get("id") == resource and (role is None or found.get("role") == role)
            for node in found.findall("node")
        )

    def place(self, resource, role=None, host=None):
        """The one host on which a resource is active (in that role)."""
        names = self.where(resource, role, host)
        assert len(names) == 1, names
        return next(each for each in self.hosts if each.name == names[0])

    def other(self, host):
        """The other host of two."""
        return next(each for each in self.hosts if each is not host)

    def forgets(self, timeout=90):
        """Waits until no failure is remembered and nothing is left to do."""
        self.lab.until(lambda: not self.failures(), timeout, what="no failure is remembered")
        self.wait()

    def failures(self, host=None):
        """The failed actions the cluster remembers, as (operation, node, exit status)."""
        found = self.status(host).find("failures")
        return [(one.get("op_key"), one.get("node"), one.get("exitstatus")) for one in (found if found is not None else [])]

    def crash_daemons(self, host):
        """Kills corosync and all of Pacemaker on a host at once; what they started runs on."""
        self.corosync[host].kill()
        self.pacemaker[host].kill()
