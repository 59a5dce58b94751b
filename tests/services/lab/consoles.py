"""Nova's console proxies on a lab's hosts, as they come from Debian.

    with Lab(3) as lab:
        consoles = Consoles(lab)
        consoles.start()
        consoles.novnc[lab.hosts[0]].kill()

They listen on the internal network, as a deployment tool has it; no other part of Nova runs.
"""
import urllib.error
import urllib.request

CONF = """\
[DEFAULT]
my_ip = {host.ip}
{more}
[vnc]
novncproxy_host = $my_ip
{url}
[serial_console]
serialproxy_host = $my_ip
"""
VNC, SERIAL = 6080, 6083


class Consoles:
    """A noVNC proxy on every host; `more` goes into [DEFAULT] of nova.conf, `url` into [vnc]."""

    def __init__(self, lab):
        self.lab, self.novnc, self.serial = lab, {}, {}

    def start(self):
        """Brings all up and waits until they answer."""
        for host in self.lab.hosts:
            self.configure(host)
            self.start_novnc(host, wait=False)
        for host in self.lab.hosts:
            self.lab.until(lambda host=host: self.page(host), what=f"the noVNC proxy of {host.name}")

    def configure(self, host, more="", url=""):
        """Writes a host's configuration, and enables its units as Debian does: all of them."""
        host.etc("nova/nova.conf", CONF.format(host=host, more=more, url=url), owner="nova", mode=0o640)
        host.etc("default/nova-consoleproxy", "NOVA_CONSOLE_PROXY_TYPE=novnc\nNOVA_SERIAL_PROXY_START=false\n")
        for name in ("novncproxy", "spicehtml5proxy", "serialproxy"):
            host.etc(f"systemd/system/multi-user.target.wants/nova-{name}.service", "")

    def start_novnc(self, host, *more, wait=True):
        """Starts (again) a host's noVNC proxy; `more` are further words of its command line."""
        command = ["nova-novncproxy", "--config-file", "/etc/nova/nova.conf", *more]
        self.novnc[host] = host.start(command, user="nova", log="novncproxy.log")
        if wait:
            self.lab.until(lambda: self.page(host) is not None, what="the noVNC proxy answers")

    def start_serial(self, host):
        """Starts a host's proxy of serial consoles."""
        command = ["nova-serialproxy", "--config-file", "/etc/nova/nova.conf"]
        self.serial[host] = host.start(command, user="nova", log="serialproxy.log")
        self.lab.until(lambda: self.page(host, "/", SERIAL) == 405, what="the serial proxy answers")

    def page(self, host, path="/vnc_lite.html", port=VNC):
        """The status of a page, as a browser would see it."""
        with host.network():
            try:
                with urllib.request.urlopen(f"http://{host.ip}:{port}{path}", timeout=5) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code
