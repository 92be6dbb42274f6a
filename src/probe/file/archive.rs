//! The first entry of a tar archive, as the engine packs one: whose it is, what a link says, what is in a file.
//! Whatever the bytes are, at most nothing is made of them.

/// What the first entry of an archive says.
#[derive(Debug, PartialEq, Default)]
pub struct Entry<'a> {
    /// The numbers of its owner and of its group.
    pub owner: (u64, u64),
    /// What it says, if it is a link.
    pub target: Option<String>,
    /// What is in it, if it is a file; none where the archive ends before that does.
    pub content: Option<&'a [u8]>,
}

/// How long an extended header may be.
const LONG: usize = 8 << 10;

/// How much more than its content a file's archive holds, at the most, before and within that content's last block.
pub const AROUND: usize = LONG + 4 * 512;

/// The first entry of a tar archive, with what an extended header before it says instead; none when it is no such
/// archive.
pub fn first(archive: &[u8]) -> Option<Entry<'_>> {
    let block = archive.get(..512)?;
    let mut said = Entry::default();
    let (mut uid, mut gid, mut size) = (None, None, None);
    let (block, content) = if block[156] == b'x' {
        let length = usize::try_from(number(&block[124..136])?).ok().filter(|length| *length <= LONG)?;
        for (key, value) in records(archive.get(512..512 + length)?)? {
            match key {
                "uid" => uid = Some(value.parse().ok()?),
                "gid" => gid = Some(value.parse().ok()?),
                "size" => size = Some(value.parse().ok()?),
                "linkpath" => said.target = Some(value.to_owned()),
                _ => {}
            }
        }
        let next = 512 + length.next_multiple_of(512);
        (archive.get(next..next + 512)?, &archive[next + 512..])
    } else {
        (block, &archive[512..])
    };
    if &block[257..262] != b"ustar" {
        return None;
    }
    let field = |field: &[u8], said: Option<u64>| said.or_else(|| number(field));
    said.owner = (field(&block[108..116], uid)?, field(&block[116..124], gid)?);
    let link = block[157..257].split(|byte| *byte == 0).next().unwrap_or_default();
    said.target = said.target.or((!link.is_empty()).then(|| String::from_utf8_lossy(link).into_owned()));
    if matches!(block[156], b'0' | 0) {
        let size = field(&block[124..136], size).and_then(|size| usize::try_from(size).ok());
        said.content = size.and_then(|size| content.get(..size));
    }
    Some(said)
}

/// An octal number between blanks and zeros.
fn number(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    u64::from_str_radix(text, 8).ok().filter(|_| plain)
}

/// The records of an extended header, each `LENGTH KEY=VALUE\n`.
fn records(mut bytes: &[u8]) -> Option<Vec<(&str, &str)>> {
    let mut all = Vec::new();
    while !bytes.is_empty() {
        let blank = bytes.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
        let record = bytes.get(blank + 1..length)?.strip_suffix(b"\n")?;
        // The value of another key may be no text.
        if let Ok(record) = std::str::from_utf8(record) {
            all.push(record.split_once('=')?);
        }
        bytes = &bytes[length..];
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(kind: u8, uid: &str, gid: &str, size: &str, link: &str) -> Vec<u8> {
        let mut block = vec![0; 512];
        let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
        put(108, uid.as_bytes());
        put(116, gid.as_bytes());
        put(124, size.as_bytes());
        put(156, &[kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        block
    }

    #[test]
    fn an_archive_s_first_header_tells_the_owner_and_what_a_link_says() {
        // Engine 26.1 on PostgreSQL's data directory, and on /var/run.
        let data = block(b'5', "0000106\0", "0000106\0", "00000000000\0", "");
        assert_eq!(first(&data), Some(Entry { owner: (70, 70), ..Entry::default() }));
        let link = block(b'2', "0000000\0", "0000000\0", "00000000000\0", "/run");
        assert_eq!(first(&link), Some(Entry { target: Some("/run".into()), ..Entry::default() }));
        // What does not fit comes in an extended header before it.
        let long = format!("/{}", "x".repeat(200));
        let said = format!("215 linkpath={long}\n22 uid=12345678901234\n7 X=\u{f1}\n");
        let mut extended = block(b'x', "", "", &format!("{:011o}\0", said.len()), "");
        extended.extend(said.as_bytes());
        extended.resize(1024, 0);
        extended.extend(block(b'2', "0000000\0", "0000001\0", "00000000000\0", "/xxx"));
        let owner = (12_345_678_901_234, 1);
        assert_eq!(first(&extended), Some(Entry { owner, target: Some(long), content: None }));
        assert_eq!(first(&extended[..1500]), None);
    }

    #[test]
    fn what_is_in_a_file_is_there_only_whole() {
        let mut file = block(b'0', "0000000\0", "0000000\0", "00000000005\0", "");
        assert_eq!(first(&file).unwrap().content, None);
        file.extend(b"12345");
        assert_eq!(first(&file).unwrap().content, Some(&b"12345"[..]));
        assert_eq!(first(&file[..516]).unwrap().content, None);
        file.resize(2048, 0);
        assert_eq!(first(&file).unwrap().content, Some(&b"12345"[..]));
        let empty = block(b'0', "0000000\0", "0000000\0", "00000000000\0", "");
        assert_eq!(first(&empty).unwrap().content, Some(&b""[..]));
        let mut extended = block(b'x', "", "", "00000000011\0", "");
        extended.extend(b"9 size=3\n");
        extended.resize(1024, 0);
        extended.extend(block(b'0', "0000000\0", "0000000\0", "00000000000\0", ""));
        extended.extend(b"abc");
        assert_eq!(first(&extended).unwrap().content, Some(&b"abc"[..]));
    }

    #[test]
    fn what_is_no_archive_tells_nothing() {
        assert_eq!(first(b""), None);
        assert_eq!(first(&[0; 1024]), None);
        assert_eq!(first(&block(b'0', "-000001\0", "0000000\0", "0", "")), None);
        assert_eq!(first(&block(b'0', "zzz", "0000000\0", "0", "")), None);
        assert_eq!(first(&block(b'x', "", "", "77777777777\0", "")), None);
        for records_of in ["x", "9", "0 a=b\n", "1 a=b\n", "5 ab\n", "99 a=b\n", "6 a=bb", "18446744073709551615 a=b\n"]
        {
            assert_eq!(records(records_of.as_bytes()), None, "{records_of}");
        }
        assert_eq!(records(b"6 a=b\n6 c=d\n"), Some(vec![("a", "b"), ("c", "d")]));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_parser(mut bytes in proptest::collection::vec(any::<u8>(), 0..2048), x: bool) {
            if x && bytes.len() > 262 {
                bytes[156] = b'x';
                bytes[257..262].copy_from_slice(b"ustar");
                bytes[124..136].copy_from_slice(b"00000000400\0");
            }
            first(&bytes);
            records(&bytes);
        }
    }
}
