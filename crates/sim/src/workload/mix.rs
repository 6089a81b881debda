//! The mix of operations: how often each of them is done.

/// What happens often in a schedule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mix {
    Everything,
    DirectoryRenames,
    FileRenames,
    Churn,
    Saves,
    Roots,
    Permissions,
    Mounts,
}

impl Mix {
    pub(crate) const ALL: [Mix; 8] = [
        Mix::Everything,
        Mix::DirectoryRenames,
        Mix::FileRenames,
        Mix::Churn,
        Mix::Saves,
        Mix::Roots,
        Mix::Permissions,
        Mix::Mounts,
    ];

    /// How often each of `OPERATIONS` is done.
    #[rustfmt::skip]
    pub(crate) fn weights(self) -> [u32; OPERATIONS.len()] {
        match self {
            // create write mkdir deep, rename-file rename-dir exchange replace swap-link, link unlink rmdir rm-r,
            // symlink other chmod, remake-root root-away relink, mount unmount
            Mix::Everything => [8, 6, 6, 3, 6, 6, 2, 4, 2, 2, 5, 2, 3, 2, 1, 2, 1, 1, 1, 1, 1],
            Mix::DirectoryRenames => [4, 3, 6, 2, 2, 24, 3, 1, 1, 1, 2, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0],
            Mix::FileRenames => [8, 6, 2, 1, 24, 3, 3, 3, 1, 4, 4, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0],
            Mix::Churn => [8, 4, 8, 6, 2, 4, 0, 1, 0, 1, 5, 5, 9, 1, 1, 0, 0, 0, 0, 0, 0],
            Mix::Saves => [3, 12, 1, 0, 2, 2, 1, 14, 4, 1, 2, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0],
            Mix::Roots => [6, 4, 4, 2, 4, 6, 2, 1, 1, 1, 2, 1, 1, 1, 0, 0, 6, 8, 5, 0, 0],
            Mix::Permissions => [6, 4, 5, 2, 4, 6, 1, 1, 0, 1, 3, 1, 2, 1, 0, 14, 0, 0, 0, 0, 0],
            Mix::Mounts => [6, 4, 5, 2, 4, 6, 1, 1, 0, 1, 3, 1, 2, 1, 0, 0, 1, 1, 1, 9, 8],
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Create,
    Write,
    MakeDir,
    MakeDeep,
    RenameFile,
    RenameDir,
    Exchange,
    Replace,
    SwapLink,
    Link,
    Unlink,
    RemoveDir,
    RemoveTree,
    Symlink,
    MakeOther,
    Permit,
    RemakeRoot,
    RootAway,
    Relink,
    Mount,
    Unmount,
}

pub(crate) const OPERATIONS: [Operation; 21] = [
    Operation::Create,
    Operation::Write,
    Operation::MakeDir,
    Operation::MakeDeep,
    Operation::RenameFile,
    Operation::RenameDir,
    Operation::Exchange,
    Operation::Replace,
    Operation::SwapLink,
    Operation::Link,
    Operation::Unlink,
    Operation::RemoveDir,
    Operation::RemoveTree,
    Operation::Symlink,
    Operation::MakeOther,
    Operation::Permit,
    Operation::RemakeRoot,
    Operation::RootAway,
    Operation::Relink,
    Operation::Mount,
    Operation::Unmount,
];
