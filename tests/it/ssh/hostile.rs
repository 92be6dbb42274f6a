//! Whoever answers at the port of SSH may say anything: labrun ends, soon and in little room, and knows nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::ssh::{is_unknown, visit};

/// Checks a machine whose SSH server is `serve`.
#[track_caller]
fn against(serve: fn(TcpStream), said: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || listener.incoming().flatten().for_each(|client| drop(thread::spawn(move || serve(client)))));
    let home = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let url = format!("ssh://linux-user@127.0.0.1:{port}");
    let output = visit(home.path(), &["lab1", "lab7", "--vm", &url, "--connect-timeout", "2s"]);
    is_unknown(&output, &[&format!("127.0.0.1:{port}"), said], start, Duration::from_secs(12));
}

fn banner(client: &mut TcpStream) {
    let _ = client.write_all(b"SSH-2.0-OpenSSH_9.2\r\n");
    let _ = client.read(&mut [0; 4096]);
}

#[test]
fn a_server_that_never_speaks_is_unknown() {
    against(|_client| thread::sleep(Duration::from_secs(60)), "does not answer in time");
}

#[test]
fn a_banner_without_end_is_unknown() {
    against(|mut client| while client.write_all(&[b'x'; 4096]).is_ok() {}, "does not speak SSH");
}

#[test]
fn lines_without_end_before_the_banner_are_unknown() {
    against(|mut client| while client.write_all(b"welcome\r\n").is_ok() {}, "does not speak SSH");
}

#[test]
fn a_server_that_stops_after_its_banner_is_unknown() {
    against(
        |mut client| {
            banner(&mut client);
            thread::sleep(Duration::from_secs(60));
        },
        "does not answer in time",
    );
}

#[test]
fn a_packet_of_four_gigabytes_is_unknown() {
    against(
        |mut client| {
            banner(&mut client);
            let _ = client.write_all(&[0xff; 8]);
            while client.write_all(&[0; 65536]).is_ok() {}
        },
        "does not speak SSH",
    );
}

#[test]
fn packets_of_garbage_without_end_are_unknown() {
    against(
        |mut client| {
            banner(&mut client);
            // Well-formed, and each to be ignored (SSH_MSG_IGNORE).
            let packet = [&[0, 0, 0, 252, 4, 2][..], &[7; 250]].concat();
            while client.write_all(&packet).is_ok() {}
        },
        "does not speak SSH",
    );
}

#[test]
fn a_server_that_hangs_up_is_unknown() {
    against(|mut client| banner(&mut client), "does not speak SSH");
    against(drop, "does not speak SSH");
}

#[test]
fn something_else_than_ssh_is_unknown() {
    against(
        |mut client| {
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        },
        "does not speak SSH",
    );
}
