//! The view of a host that has no aileron: a script for its `sh`, and the reading of what it prints.
//!
//! A line is a letter and its words; whatever may hold anything is in base64:
//! `N name`, `T sockets`, `R routes`, `6 addresses`, `P pid name command-line cgroup`, `S pid inode`, `U unit`,
//! `F path content`, `D path`. The last line is `.`: without it the view is cut off.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::raw::{Raw, RawProcess};
use super::{View, containers, sources};
use crate::answer::Trouble;
use crate::reach::FILE_MAX;

/// The first line of what the script prints.
pub(crate) const GREETING: &str = "aileron-view 1";
/// What programs need to be found and to speak English.
pub(crate) const SETTING: &str =
    "PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL;";

/// The part that is the same everywhere. `FILE_MAX` is put in.
const SCRIPT: &str = r#"
text() { base64 | tr -d '\n'; }
keep() {
  [ -f "$1" ] || return 0
  if [ -r "$1" ]; then echo "F $(printf %s "$2" | text) $(head -c FILE_MAX "$1" | text)"
  else echo "D $(printf %s "$2" | text)"; fi
}
inside() { [ -L "$1/${2#/}" ] || keep "$1/${2#/}" "$2"; }
echo 'GREETING'
echo "N $(uname -n | text)"
echo "T $(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | text)"
echo "R $(cat /proc/net/fib_trie 2>/dev/null | text)"
echo "6 $(cat /proc/net/if_inet6 2>/dev/null | text)"
for file in FILES; do keep "$file" "$file"; done
net=$(readlink /proc/self/ns/net)
for folder in /proc/[0-9]*; do
  { read -r name <"$folder/comm"; } 2>/dev/null || continue
  case $name in DAEMONS) ;; *) continue ;; esac
  other=$(readlink "$folder/ns/net" 2>/dev/null)
  [ -z "$other" ] || [ "$other" = "$net" ] || continue
  pid=${folder#/proc/}
  group=$(cat "$folder/cgroup" 2>/dev/null)
  echo "P $pid $(printf %s "$name" | text) $(text 2>/dev/null <"$folder/cmdline") $(printf %s "$group" | text)"
  ls -l "$folder/fd" 2>/dev/null | sed -n "s/.*socket:\[\([0-9]*\)\]\$/S $pid \1/p"
  case $group in *libpod-*|*docker*) root=$folder/root ;; *) root= ;; esac
  tr '\0' '\n' 2>/dev/null <"$folder/cmdline" | while read -r word; do
    case $word in *=/*) word=/${word#*=/} ;; esac
    case $word in /*) ;; *) continue ;; esac
    keep "$word" "$word"
    [ -z "$root" ] || inside "$root" "$word"
  done
  [ -n "$root" ] && cd "$root" 2>/dev/null && for file in INSIDE; do inside "$root" "/$file"; done
done
for unit in UNITS; do
  [ -L "$unit" ] || [ -e "$unit" ] || continue
  unit=${unit##*/}
  [ "$(readlink "/etc/systemd/system/$unit")" = /dev/null ] || echo "U $unit"
done
echo .
"#;

/// The script.
pub(crate) fn script() -> String {
    let daemons: Vec<_> = sources::daemons().into_iter().chain([containers::MONITOR]).collect();
    let files: Vec<&str> =
        sources::files().into_iter().chain([containers::PODMAN_LIST, containers::DOCKER_STATES]).collect();
    SCRIPT
        .replace("FILE_MAX", &FILE_MAX.to_string())
        .replace("GREETING", GREETING)
        .replace("DAEMONS", &daemons.join("|"))
        .replace("UNITS", &sources::UNIT_FOLDERS.join(" "))
        .replace(
            "INSIDE",
            &files.iter().map(|file| file.trim_start_matches('/')).collect::<Vec<_>>().join(" "),
        )
        .replace("FILES", &files.join(" "))
}

/// Reads what the script printed behind its greeting.
///
/// # Errors
/// When it is cut off. A line that is not understood is left out.
pub(crate) fn read(text: &str) -> Result<View, Trouble> {
    let mut raw = Raw::default();
    let mut whole = false;
    for line in text.lines() {
        whole = line == ".";
        // A line that a newer script would print, or nonsense: the rest is still good.
        let _ = take(&mut raw, line);
    }
    if !whole {
        return Err(Trouble::Broken("the view of the host is cut off".to_string()));
    }
    Ok(raw.into_view())
}

fn take(raw: &mut Raw, line: &str) -> Option<()> {
    let mut words = line.split(' ');
    let letter = words.next()?;
    let mut word = || words.next();
    match letter {
        "N" => raw.name = text(word()?)?,
        "T" => raw.sockets = text(word()?)?,
        "R" => raw.routes = text(word()?)?,
        "6" => raw.addresses6 = text(word()?)?,
        "P" => raw.processes.push(RawProcess {
            pid: word()?.parse().ok()?,
            name: text(word()?)?,
            line: STANDARD.decode(word()?).ok()?,
            cgroup: text(word()?)?,
            ..RawProcess::default()
        }),
        "S" => {
            let (pid, inode): (u32, u64) = (word()?.parse().ok()?, word()?.parse().ok()?);
            raw.processes.iter_mut().find(|one| one.pid == pid)?.inodes.push(inode);
        }
        "U" => {
            raw.units.insert(word()?.to_string());
        }
        "F" => {
            let (path, content) = (text(word()?)?, STANDARD.decode(word()?).ok()?);
            if !content.contains(&0) {
                raw.files.insert(path, String::from_utf8_lossy(&content).into_owned());
            }
        }
        "D" => {
            raw.denied.insert(text(word()?)?);
        }
        _ => {}
    }
    Some(())
}

fn text(word: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&STANDARD.decode(word).ok()?).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_script_sees_what_we_see_ourselves() {
        let out = std::process::Command::new("sh").args(["-c", &script()]).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let there = read(text.strip_prefix(GREETING).unwrap()).unwrap();
        let here = super::super::collect();
        assert_eq!(there.host, here.host);
        assert_eq!((&there.units, &there.addresses), (&here.units, &here.addresses));
        assert_eq!(there.files.keys().collect::<Vec<_>>(), here.files.keys().collect::<Vec<_>>());
        assert!(read(text.trim_end().strip_suffix('.').unwrap()).is_err(), "cut off");
    }

    proptest! {
        #[test]
        fn any_lines_are_read_without_a_panic(text in "([NTRPSUFD6.][ a-zA-Z0-9=]{0,40}\n){0,8}") {
            let _ = read(&text);
        }
    }
}
