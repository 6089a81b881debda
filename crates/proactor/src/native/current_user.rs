//! A security descriptor that lets the current user in and nobody else.

use std::ffi::c_void;
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{GENERIC_ALL, HANDLE};
use windows_sys::Win32::Security::{
    ACL, ACL_REVISION, AddAccessAllowedAce, GetLengthSid, GetTokenInformation, InitializeAcl,
    InitializeSecurityDescriptor, SECURITY_ATTRIBUTES, SECURITY_DESCRIPTOR,
    SetSecurityDescriptorDacl, TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::System::SystemServices::SECURITY_DESCRIPTOR_REVISION;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use crate::native::calls::outcome;
use crate::native::handle::Handle;

/// The largest that a `TOKEN_USER` with its identifier can be (`SECURITY_MAX_SID_SIZE` is 68), in words.
const USER_WORDS: usize = 16;

/// Room for a list of one entry.
const LIST_WORDS: usize = 16;

/// See the head of the module. What points elsewhere points into its boxes.
pub(crate) struct CurrentUserOnly {
    _list: Box<[u64; LIST_WORDS]>,
    descriptor: Box<SECURITY_DESCRIPTOR>,
}

impl CurrentUserOnly {
    pub(crate) fn new() -> Result<CurrentUserOnly, u32> {
        let mut user = [0_u64; USER_WORDS];
        let mut list = Box::new([0_u64; LIST_WORDS]);
        let mut descriptor = Box::new(SECURITY_DESCRIPTOR::default());
        let acl = list.as_mut_ptr().cast::<ACL>();
        let raw = (&raw mut *descriptor).cast::<c_void>();
        // SAFETY: each structure is in memory of the size that is said, aligned, and outlives the calls.
        // The identifier is in `user`, and copied into the list.
        unsafe {
            let mut token: HANDLE = null_mut();
            outcome(OpenProcessToken(
                GetCurrentProcess(),
                TOKEN_QUERY,
                &raw mut token,
            ))?;
            let token = Handle::own(token);
            let mut length = 0;
            let room = size_of_val(&user) as u32;
            outcome(GetTokenInformation(
                token.raw(),
                TokenUser,
                user.as_mut_ptr().cast(),
                room,
                &raw mut length,
            ))?;
            let identifier = (*user.as_ptr().cast::<TOKEN_USER>()).User.Sid;
            debug_assert!(GetLengthSid(identifier) <= 68);
            let room = size_of_val(&*list) as u32;
            outcome(InitializeAcl(acl, room, ACL_REVISION))?;
            outcome(AddAccessAllowedAce(
                acl,
                ACL_REVISION,
                GENERIC_ALL,
                identifier,
            ))?;
            outcome(InitializeSecurityDescriptor(
                raw,
                SECURITY_DESCRIPTOR_REVISION,
            ))?;
            outcome(SetSecurityDescriptorDacl(raw, 1, acl, 0))?;
        }
        Ok(CurrentUserOnly {
            _list: list,
            descriptor,
        })
    }

    /// Good for as long as `self` lives. The handle is not inherited.
    pub(crate) fn attributes(&self) -> SECURITY_ATTRIBUTES {
        SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: (&raw const *self.descriptor).cast_mut().cast(),
            bInheritHandle: 0,
        }
    }
}
