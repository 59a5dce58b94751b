//! What differs between the proxies: names, ports, and where nova.conf says so.

/// A sort of console.
#[derive(Debug)]
pub(super) struct Sort {
    /// Its name in a target's settings.
    pub(super) key: &'static str,
    /// Its name for people.
    pub(super) name: &'static str,
    /// The process, as the kernel has it.
    pub(super) daemon: &'static str,
    /// Debian's, Ubuntu's and Red Hat's units.
    pub(super) units: &'static [&'static str],
    /// TripleO's and Kolla's containers, and the folder of Kolla's configuration.
    pub(super) containers: &'static [&'static str],
    /// The section of nova.conf.
    pub(super) section: &'static str,
    /// Its options for the address, the port, and the URL that users are sent to.
    pub(super) options: [&'static str; 3],
    /// The port where nothing else is said.
    pub(super) port: u16,
    /// The pages that its package has had, where no URL is configured; none if it serves none.
    pub(super) pages: &'static [&'static str],
    /// What the file of Debian's package has to say for its unit to start it.
    pub(super) switch: (&'static str, &'static [&'static str]),
}

/// All of them.
pub(super) const SORTS: [Sort; 3] = [
    Sort {
        key: "novnc",
        name: "noVNC",
        daemon: "nova-novncproxy",
        units: &["nova-novncproxy.service", "openstack-nova-novncproxy.service"],
        containers: &["nova_vnc_proxy", "nova_novncproxy", "nova-novncproxy"],
        section: "vnc",
        options: ["novncproxy_host", "novncproxy_port", "novncproxy_base_url"],
        port: 6080,
        pages: &["/vnc_lite.html", "/vnc_auto.html"],
        switch: ("NOVA_CONSOLE_PROXY_TYPE", &["novnc"]),
    },
    Sort {
        key: "spice",
        name: "SPICE",
        daemon: "nova-spicehtml5",
        units: &[
            "nova-spicehtml5proxy.service",
            "nova-spiceproxy.service",
            "openstack-nova-spicehtml5proxy.service",
        ],
        containers: &["nova_spicehtml5proxy", "nova-spicehtml5proxy"],
        section: "spice",
        options: ["html5proxy_host", "html5proxy_port", "html5proxy_base_url"],
        port: 6082,
        pages: &["/spice_auto.html"],
        switch: ("NOVA_CONSOLE_PROXY_TYPE", &["spicehtml5"]),
    },
    Sort {
        key: "serial",
        name: "serial",
        daemon: "nova-serialprox",
        units: &["nova-serialproxy.service", "openstack-nova-serialproxy.service"],
        containers: &["nova_serialproxy", "nova-serialproxy"],
        section: "serial_console",
        options: ["serialproxy_host", "serialproxy_port", "base_url"],
        port: 6083,
        pages: &[],
        switch: ("NOVA_SERIAL_PROXY_START", &["true", "1"]),
    },
];

/// The sort of a target.
pub(super) fn of(key: &str) -> Option<&'static Sort> {
    SORTS.iter().find(|sort| sort.key == key)
}
