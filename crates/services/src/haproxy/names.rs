//! Which service stands behind a backend, by the names TripleO, Kolla and OpenStack-Ansible give them.

/// A word of a backend's name, and the service in words. The first that fits counts.
const KNOWN: &[(&str, &str)] = &[
    ("keystone", "Keystone API"),
    ("placement", "Placement API"),
    ("nova_metadata", "Nova metadata API"),
    ("nova-metadata", "Nova metadata API"),
    ("novncproxy", "noVNC consoles"),
    ("nova_novnc", "noVNC consoles"),
    ("spice", "SPICE consoles"),
    ("serialconsole", "serial consoles"),
    ("nova", "Nova API"),
    ("glance", "Glance API"),
    ("neutron", "Neutron API"),
    ("cinder", "Cinder API"),
    ("heat", "Heat API"),
    ("swift", "Swift API"),
    ("object", "Swift API"),
    ("radosgw", "Object API"),
    ("ceph_rgw", "Object API"),
    ("manila", "Manila API"),
    ("horizon", "dashboard"),
    ("dashboard_front", "dashboard"),
    ("ironic", "Ironic API"),
    ("octavia", "Octavia API"),
    ("barbican", "Barbican API"),
    ("designate", "Designate API"),
    ("magnum", "Magnum API"),
    ("mistral", "Mistral API"),
    ("zaqar", "Zaqar API"),
    ("aodh", "Aodh API"),
    ("gnocchi", "Gnocchi API"),
    ("panko", "Panko API"),
    ("mysql", "database"),
    ("mariadb", "database"),
    ("galera", "database"),
    ("rabbit", "message broker"),
    ("redis", "Redis"),
];

/// The service behind a backend of this name; `None` for one that OpenStack does not need.
pub(super) fn service(backend: &str) -> Option<&'static str> {
    let backend = backend.to_ascii_lowercase();
    if backend.starts_with("ceph") && backend.contains("dashboard") {
        return None;
    }
    KNOWN.iter().find(|(word, _)| backend.contains(word)).map(|(_, service)| *service)
}

/// The backend with the service in words.
pub(super) fn called(backend: &str) -> String {
    service(backend).map_or_else(|| backend.to_string(), |service| format!("{backend} ({service})"))
}
