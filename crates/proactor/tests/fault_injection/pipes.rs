//! The calls of pipes, and the consequences when they fail.

use std::future::Future;
use std::os::windows::fs::OpenOptionsExt;
use std::os::windows::io::AsRawHandle;
use std::pin::pin;
use std::ptr::null_mut;
use std::time::Duration;

use everwatch_proactor::fault_injection::{Call, Session};
use everwatch_proactor::pipe::{
    PipeAccess, PipeInstance, PipeMode, PipeOptions, PipeServer, connect_pipe,
};
use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_IO_PENDING, ERROR_NO_DATA, ERROR_NO_SYSTEM_RESOURCES,
    ERROR_PIPE_BUSY, ERROR_PIPE_CONNECTED,
};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, GetSecurityInfo, SDDL_REVISION_1,
    SE_KERNEL_OBJECT,
};
use windows_sys::Win32::Security::DACL_SECURITY_INFORMATION;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, FILE_GENERIC_READ, PIPE_ACCESS_DUPLEX,
    READ_CONTROL, SECURITY_IDENTIFICATION, SECURITY_SQOS_PRESENT,
};
use windows_sys::Win32::System::Pipes::{PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_MESSAGE};

use crate::support::{Clean, at_once, looking, one_at_a_time, pipe_name};

#[test]
fn the_first_instance_insists_on_being_the_first_and_others_do_not() {
    let session = Session::open();
    let proactor = Clean::new();
    let options = PipeOptions {
        listening: 3,
        ..PipeOptions::default()
    };
    let _server = PipeServer::bind(&proactor.remote(), pipe_name(), options).expect("a server");
    let made = session.records_of(Call::CreateNamedPipe);
    let both = PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED;
    let opened: Vec<u32> = made.iter().map(|made| made.arguments[0] as u32).collect();
    assert_eq!(opened, [both | FILE_FLAG_FIRST_PIPE_INSTANCE, both, both]);
}

#[test]
fn remote_clients_and_other_users_are_refused_unless_asked_for() {
    let session = Session::open();
    let proactor = Clean::new();
    let open = PipeOptions {
        access: PipeAccess::WindowsDefault,
        takes_remote_clients: true,
        mode: PipeMode::Messages,
        ..PipeOptions::default()
    };
    for (options, is_open) in [(PipeOptions::default(), false), (open, true)] {
        PipeInstance::first(&proactor.remote(), pipe_name(), &options).expect("an instance");
        let made = session.records_of(Call::CreateNamedPipe);
        let made = made.last().expect("it was made").arguments;
        assert_eq!(made[1] as u32 & PIPE_REJECT_REMOTE_CLIENTS == 0, is_open);
        assert_eq!(made[1] as u32 & PIPE_TYPE_MESSAGE != 0, is_open);
        assert_eq!(made[2] == 0, is_open, "a security descriptor");
    }
}

/// The access list of what is open, in the language of security descriptors (SDDL).
fn access_list(file: &std::fs::File) -> String {
    let (mut descriptor, mut text, mut length) = (null_mut(), null_mut(), 0);
    // SAFETY: the handle is open; of all that can be asked for, only the descriptor is, which is memory of its
    // own, as the text is. Both are left to the end of the process.
    let units = unsafe {
        let error = GetSecurityInfo(
            file.as_raw_handle(),
            SE_KERNEL_OBJECT,
            DACL_SECURITY_INFORMATION,
            null_mut(),
            null_mut(),
            null_mut(),
            null_mut(),
            &raw mut descriptor,
        );
        assert_eq!(error, 0);
        let converted = ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor,
            SDDL_REVISION_1,
            DACL_SECURITY_INFORMATION,
            &raw mut text,
            &raw mut length,
        );
        assert_ne!(converted, 0);
        std::slice::from_raw_parts(text, length as usize)
    };
    let text = String::from_utf16_lossy(units);
    text.trim_end_matches('\0').to_owned()
}

#[test]
fn a_pipe_has_only_the_current_user_in_its_access_list() {
    let proactor = Clean::new();
    let name = pipe_name();
    let _instance = PipeInstance::first(&proactor.remote(), &name, &PipeOptions::default());
    let client = std::fs::OpenOptions::new()
        .access_mode(READ_CONTROL | FILE_GENERIC_READ)
        .open(&name)
        .expect("it listens");
    let list = access_list(&client);
    let (flags, entries) = list.split_once('(').expect("entries");
    assert!(flags.contains('P'), "it inherits: {list}");
    let entries: Vec<&str> = entries.split('(').collect();
    let [entry] = entries[..] else {
        panic!("more than one: {list}");
    };
    // A user has an account of his own below the authority of its machine or domain.
    assert!(entry.starts_with("A;;"), "{list}");
    assert!(entry.contains(";S-1-5-21-"), "{list}");
}

#[test]
fn a_server_can_see_who_its_client_is_and_not_act_as_it() {
    let session = Session::open();
    let proactor = Clean::new();
    let name = pipe_name();
    let options = PipeOptions::default();
    let _instance = PipeInstance::first(&proactor.remote(), &name, &options);
    at_once(connect_pipe(&proactor.remote(), &name)).expect("it listens");
    let opened = session.records_of(Call::CreateFile);
    let flags = opened.last().expect("it was opened").arguments[2] as u32;
    let wanted = FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION;
    assert_eq!(flags, wanted);
}

#[test]
fn a_loop_that_gets_one_packet_at_a_time_asks_for_one_however_many_operations_wait() {
    let session = Session::open();
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let options = PipeOptions {
        listening: 8,
        ..PipeOptions::default()
    };
    let server = PipeServer::bind(&remote, &name, options).expect("a server");
    proactor.get().block_on(async {
        let client = connect_pipe(&remote, &name).await.expect("it listens");
        let peer = server.accept().await.expect("a client");
        for _ in 0..160 {
            let mut read = pin!(peer.read(Vec::with_capacity(1)));
            assert!(read.as_mut().poll(&mut looking()).is_pending());
            client.write(vec![1]).await.0.expect("written");
            read.await.0.expect("read");
        }
    });
    let waits = session.records_of(Call::GetQueuedCompletionStatusEx);
    let wide = waits.iter().filter(|wait| wait.arguments[0] > 1).count();
    assert!(waits.len() >= 160, "each read waits for its packet");
    assert!(wide <= waits.len() / 16 + 1, "{wide} of {}", waits.len());
}

// requirement: S4.1 (wine)
#[test]
fn pauses_between_attempts_grow_from_1_ms_to_100_ms() {
    let session = Session::open();
    session.break_down(Call::CreateFile, ERROR_PIPE_BUSY);
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let mut connect = pin!(connect_pipe(&remote, &name));
    proactor.get().block_on(async {
        // 1 + 2 + 4 + ... + 64 ms are 127 ms, then it is 100 ms each.
        let mut enough = remote.sleep(Duration::from_millis(600));
        std::future::poll_fn(|context| {
            assert!(connect.as_mut().poll(context).is_pending());
            pin!(&mut enough).poll(context)
        })
        .await
        .expect("slept");
    });
    let attempts = session.records_of(Call::CreateFile).len();
    assert!((4..=13).contains(&attempts), "{attempts} attempts");
}

// requirement: S4.1 (wine)
#[test]
fn an_error_that_comes_after_a_busy_pipe_is_returned_at_once() {
    let session = Session::open();
    session.fail(Call::CreateFile, 0, ERROR_PIPE_BUSY);
    session.fail(Call::CreateFile, 0, ERROR_PIPE_BUSY);
    session.fail(Call::CreateFile, 0, ERROR_ACCESS_DENIED);
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let error = proactor.get().block_on(connect_pipe(&remote, pipe_name()));
    let error = error.expect_err("it is denied");
    assert_eq!(error.raw_os_error(), Some(5));
    assert!(session.is_spent());
}

// requirement: S4.3 (wine)
#[test]
fn clients_are_accepted_in_the_order_in_which_they_came() {
    let session = Session::open();
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let server = PipeServer::bind(&remote, &name, one_at_a_time()).expect("a server");
    let client = at_once(connect_pipe(&remote, &name)).expect("it listens");
    at_once(client.write(b"first".to_vec())).0.expect("written");
    // The next instance has its client before it is asked to listen.
    session.fail(Call::ConnectNamedPipe, 0, ERROR_PIPE_CONNECTED);
    let (first, _second) = proactor.get().block_on(async {
        let first = server.accept().await.expect("a client");
        (first, server.accept().await.expect("a client"))
    });
    assert!(session.is_spent());
    let (read, bytes) = at_once(first.read(Vec::with_capacity(10)));
    assert_eq!((read.expect("read"), &*bytes), (5, &b"first"[..]));
}

// requirement: S4.2 (wine)
#[test]
fn a_silent_client_that_came_and_left_is_disconnected_and_the_next_awaited() {
    let session = Session::open();
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let instance = PipeInstance::first(&remote, &name, &PipeOptions::default());
    drop(at_once(connect_pipe(&remote, &name)).expect("it listens"));
    let accept = instance.expect("an instance").accept();
    let waits = session.records_of(Call::ConnectNamedPipe);
    let errors: Vec<u32> = waits.iter().map(|wait| wait.error).collect();
    assert_eq!(errors, [ERROR_NO_DATA, ERROR_IO_PENDING]);
    assert_eq!(session.records_of(Call::DisconnectNamedPipe).len(), 1);
    let _client = at_once(connect_pipe(&remote, &name)).expect("it listens");
    proactor.get().block_on(accept).expect("the next client");
}

// requirement: S4.2 (wine)
#[test]
fn an_instance_that_cannot_be_freed_of_a_client_says_so() {
    let session = Session::open();
    session.break_down(Call::ConnectNamedPipe, ERROR_NO_DATA);
    session.break_down(Call::DisconnectNamedPipe, ERROR_ACCESS_DENIED);
    let proactor = Clean::new();
    let remote = proactor.remote();
    let instance = PipeInstance::first(&remote, pipe_name(), &PipeOptions::default());
    let error = at_once(instance.expect("an instance").accept()).expect_err("no client");
    assert_eq!(error.raw_os_error(), Some(5));
    assert_eq!(remote.in_flight(), 0);
}

#[test]
fn a_server_that_cannot_be_bound_says_why_and_leaves_nothing() {
    for call in [
        Call::CreateNamedPipe,
        Call::ConnectNamedPipe,
        Call::DescribeSecurity,
        Call::CreateIoCompletionPort,
    ] {
        let session = Session::open();
        let mut proactor = Clean::new();
        let remote = proactor.remote();
        session.fail(call, 0, ERROR_NO_SYSTEM_RESOURCES);
        let error = PipeServer::bind(&remote, pipe_name(), PipeOptions::default());
        let error = error.expect_err("it fails");
        assert_eq!(error.raw_os_error(), Some(1450), "{call:?}");
        assert!(session.is_spent());
        proactor.settle();
    }
}

#[test]
fn a_server_whose_next_instance_cannot_be_made_hands_its_client_over_and_tries_again() {
    let session = Session::open();
    let mut proactor = Clean::new();
    let remote = proactor.remote();
    let name = pipe_name();
    let server = PipeServer::bind(&remote, &name, one_at_a_time()).expect("a server");
    let _client = at_once(connect_pipe(&remote, &name)).expect("it listens");
    session.break_down(Call::CreateNamedPipe, ERROR_NO_SYSTEM_RESOURCES);
    proactor.get().poll(Some(Duration::from_secs(10)));
    at_once(server.accept()).expect("the client is there");
    for _ in 0..3 {
        let error = at_once(server.accept()).expect_err("nothing listens");
        assert_eq!(error.raw_os_error(), Some(1450));
    }
    session.mend();
    let mut accept = pin!(server.accept());
    assert!(accept.as_mut().poll(&mut looking()).is_pending());
    let _other = at_once(connect_pipe(&remote, &name)).expect("it listens again");
    proactor.get().block_on(accept).expect("the other client");
}

#[test]
fn a_write_and_a_read_that_are_complete_at_once_ask_nothing_of_the_port() {
    let session = Session::open();
    let proactor = Clean::new();
    let (server, client) = crate::support::pipe(&proactor.remote(), PipeMode::Bytes);
    let before = session.records().len();
    at_once(client.write(vec![1; 64])).0.expect("written");
    at_once(server.read(Vec::with_capacity(64)))
        .0
        .expect("read");
    let calls: Vec<Call> = session.records()[before..]
        .iter()
        .map(|record| record.call)
        .collect();
    assert_eq!(calls, [Call::WriteFile, Call::ReadFile]);
}
