//! The user that a container is configured to run as, by its number: what the engine does not tell of a container that
//! has ended, whose `--user` was a name.

use crate::engine::ContainerState;
use crate::evidence::Unobserved;
use crate::probe::Context;

/// Where a container keeps the names of its users, and how much of it is read.
const USERS: &str = "/etc/passwd";
const MUCH: usize = 256 << 10;

/// The number of the user that `state` is configured to run as; none where the container knows no such name.
pub async fn configured(cx: &Context<'_>, state: &ContainerState) -> Result<Option<u32>, Unobserved> {
    let user = state.user.as_deref().unwrap_or_default();
    let name = user.split(':').next().unwrap_or_default();
    // A group alone leaves the user what it is.
    if name.is_empty() {
        return Ok(Some(0));
    }
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    if cx.engine.stat(&state.id, USERS).await?.is_none() {
        return Ok(None);
    }
    let archive = cx.engine.archive(&state.id, USERS, MUCH).await?;
    Ok(contents(&archive).and_then(|text| number_of(&String::from_utf8_lossy(text), name)))
}

/// What the first file of a tar archive holds, as far as it was read; none when something else comes first.
fn contents(mut archive: &[u8]) -> Option<&[u8]> {
    loop {
        let block = archive.get(..512)?;
        let size = std::str::from_utf8(&block[124..136]).ok()?.trim_matches(['\0', ' ']);
        let size = usize::from_str_radix(size, 8).ok().filter(|size| *size <= MUCH)?;
        let rest = &archive[512..];
        match block[156] {
            b'0' | 0 if &block[257..262] == b"ustar" => return Some(&rest[..size.min(rest.len())]),
            // What did not fit into the header that follows.
            b'x' => archive = rest.get(size.next_multiple_of(512)..)?,
            _ => return None,
        }
    }
}

/// The number of the user `name`, by the lines `name:password:number:…` of a list of users.
fn number_of(users: &str, name: &str) -> Option<u32> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(kind: u8, size: &str) -> Vec<u8> {
        let mut block = vec![0; 512];
        block[124..124 + size.len()].copy_from_slice(size.as_bytes());
        block[156] = kind;
        block[257..262].copy_from_slice(b"ustar");
        block
    }

    #[test]
    fn the_first_file_of_an_archive_is_read_and_nothing_else_is() {
        let file = [block(b'0', "00000000005\0"), b"root:x".to_vec()].concat();
        assert_eq!(contents(&file), Some(&b"root:"[..]));
        let extended = [block(b'x', "00000000003\0"), vec![b'?'; 512], file.clone()].concat();
        assert_eq!(contents(&extended), Some(&b"root:"[..]));
        // The rest was not read.
        assert_eq!(contents(&[block(b'0', "00000001000\0"), b"root".to_vec()].concat()), Some(&b"root"[..]));
        for broken in [
            vec![],
            vec![0; 511],
            vec![0; 1024],
            block(b'2', "00000000000\0"),
            block(b'0', "77777777777\0"),
            block(b'0', "-1\0"),
            block(b'x', "00000000001\0"),
        ] {
            assert_eq!(contents(&broken), None);
        }
    }

    #[test]
    fn a_name_is_a_whole_name_and_its_number_one() {
        let users = "root:x:0:0:root:/root:/bin/bash\nbob:x:1234:1234::/home/bob:/bin/sh\nbroken\nlost:x\neve:x:-1:0\n";
        assert_eq!([number_of(users, "root"), number_of(users, "bob")], [Some(0), Some(1234)]);
        for name in ["bo", "bobby", "x", "broken", "lost", "eve", "", "linux-user"] {
            assert_eq!(number_of(users, name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parsers(mut bytes in proptest::collection::vec(any::<u8>(), 0..2048), kind in "[0x]", text: String) {
            if bytes.len() > 262 {
                bytes[156] = kind.as_bytes()[0];
                bytes[257..262].copy_from_slice(b"ustar");
                bytes[124..136].copy_from_slice(b"00000000400\0");
            }
            contents(&bytes);
            number_of(&text, "x");
        }
    }
}
