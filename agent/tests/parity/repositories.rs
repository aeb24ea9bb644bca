//! `git.*` on repositories of the case's own, made at the same moment on both sides.

use super::cases::Case;

pub const REPOSITORIES: &[Case] = &[Case {
    name: "repositories",
    files: &[(
        "setup.sh",
        "
git init -q -b main work/origin && cd work/origin
echo one >file && git add file && git commit -qm one && git tag v1
git checkout -q -b other && echo two >file && git commit -qam two && git checkout -q main
cd .. && git clone -q origin clone && git clone -q --bare origin bare
git -C clone config list.key one && git -C clone config --add list.key two
git -C clone remote add login https://name:pass@example.org/x
echo x >clone/new && git -C clone add new && echo y >clone/untracked && echo changed >clone/file
git -C origin tag v2
",
    )],
    opts: "{}",
    calls: &[
        ("git.version", "[]", "{}"),
        ("git.version", "[]", r#"{"versioninfo": true}"#),
        ("git.current_branch", r#"["ROOT/work/clone"]"#, "{}"),
        ("git.current_branch", r#"["ROOT/none"]"#, "{}"),
        ("git.current_branch", r#"["ROOT/srv"]"#, "{}"),
        ("git.revision", r#"["ROOT/work/clone"]"#, "{}"),
        (
            "git.revision",
            r#"["ROOT/work/clone", "origin/other"]"#,
            r#"{"short": true}"#,
        ),
        ("git.revision", r#"["ROOT/work/clone", "none"]"#, "{}"),
        (
            "git.rev_parse",
            r#"["ROOT/work/clone"]"#,
            r#"{"opts": "--is-inside-work-tree"}"#,
        ),
        (
            "git.rev_parse",
            r#"["ROOT/work/clone", "v1"]"#,
            r#"{"opts": ["--verify", "--quiet"]}"#,
        ),
        ("git.describe", r#"["ROOT/work/clone"]"#, "{}"),
        ("git.list_branches", r#"["ROOT/work/origin"]"#, "{}"),
        (
            "git.list_branches",
            r#"["ROOT/work/clone"]"#,
            r#"{"remote": true}"#,
        ),
        ("git.list_tags", r#"["ROOT/work/origin"]"#, "{}"),
        ("git.status", r#"["ROOT/work/clone"]"#, "{}"),
        ("git.diff", r#"["ROOT/work/clone"]"#, "{}"),
        (
            "git.diff",
            r#"["ROOT/work/clone"]"#,
            r#"{"cached": true, "opts": "--stat"}"#,
        ),
        (
            "git.diff",
            r#"["ROOT/work/clone", "HEAD", "origin/other"]"#,
            r#"{"paths": "file"}"#,
        ),
        (
            "git.diff",
            r#"["ROOT/work/clone"]"#,
            r#"{"no_index": true, "paths": "new,untracked"}"#,
        ),
        (
            "git.diff",
            r#"["ROOT/work/clone"]"#,
            r#"{"no_index": true, "cached": true}"#,
        ),
        (
            "git.config_get",
            r#"["list.key"]"#,
            r#"{"cwd": "ROOT/work/clone"}"#,
        ),
        (
            "git.config_get",
            r#"["list.key"]"#,
            r#"{"cwd": "ROOT/work/clone", "all": true}"#,
        ),
        (
            "git.config_get",
            r#"["none.key"]"#,
            r#"{"cwd": "ROOT/work/clone"}"#,
        ),
        ("git.config_get", r#"["none.key"]"#, "{}"),
        (
            "git.config_get",
            r#"["none.key"]"#,
            r#"{"cwd": "ROOT/work/clone", "bogus": 1}"#,
        ),
        (
            "git.config_get_regexp",
            r#"["list\\..*"]"#,
            r#"{"cwd": "ROOT/work/clone"}"#,
        ),
        (
            "git.config_set",
            r#"["a.b", "c"]"#,
            r#"{"cwd": "ROOT/work/clone"}"#,
        ),
        (
            "git.config_set",
            r#"["a.b"]"#,
            r#"{"multivar": [1, "d"], "cwd": "ROOT/work/clone"}"#,
        ),
        (
            "git.config_set",
            r#"["a.b", "x"]"#,
            r#"{"multivar": "d", "cwd": "ROOT/work/clone"}"#,
        ),
        (
            "git.config_unset",
            r#"["a.b"]"#,
            r#"{"cwd": "ROOT/work/clone"}"#,
        ),
        (
            "git.config_unset",
            r#"["a.b"]"#,
            r#"{"cwd": "ROOT/work/clone", "all": true}"#,
        ),
        (
            "git.config_unset",
            r#"["a.b"]"#,
            r#"{"cwd": "ROOT/work/clone"}"#,
        ),
        ("git.remotes", r#"["ROOT/work/clone"]"#, "{}"),
        (
            "git.remotes",
            r#"["ROOT/work/clone"]"#,
            r#"{"redact_auth": false}"#,
        ),
        ("git.remote_get", r#"["ROOT/work/clone"]"#, "{}"),
        ("git.remote_get", r#"["ROOT/work/clone", "none"]"#, "{}"),
        (
            "git.remote_set",
            r#"["ROOT/work/clone", "https://example.org/y"]"#,
            r#"{"remote": "new", "https_user": "u", "https_pass": "p", "push_url": "/tmp/x"}"#,
        ),
        (
            "git.remote_set",
            r#"["ROOT/work/clone", "http://example.org/y"]"#,
            r#"{"remote": "new", "https_user": "u"}"#,
        ),
        ("git.remote_refs", r#"["ROOT/work/origin"]"#, "{}"),
        (
            "git.remote_refs",
            r#"["ROOT/work/origin"]"#,
            r#"{"heads": true, "filter": "ma*"}"#,
        ),
        (
            "git.ls_remote",
            r#"["ROOT/work/clone"]"#,
            r#"{"ref": "main", "opts": "--heads"}"#,
        ),
        ("git.ls_remote", "[]", r#"{"remote": "ROOT/none"}"#),
        (
            "git.fetch",
            r#"["ROOT/work/clone"]"#,
            r#"{"remote": "origin", "opts": "--tags"}"#,
        ),
        (
            "git.fetch",
            r#"["ROOT/work/clone"]"#,
            r#"{"remote": "none"}"#,
        ),
        (
            "git.merge_base",
            r#"["ROOT/work/clone", "HEAD,origin/other"]"#,
            "{}",
        ),
        (
            "git.merge_base",
            r#"["ROOT/work/clone", ["HEAD", "origin/other"]]"#,
            r#"{"is_ancestor": true}"#,
        ),
        (
            "git.merge_base",
            r#"["ROOT/work/clone", "origin/other,HEAD"]"#,
            r#"{"is_ancestor": true}"#,
        ),
        (
            "git.merge_base",
            r#"["ROOT/work/clone", "HEAD"]"#,
            r#"{"is_ancestor": true}"#,
        ),
        (
            "git.merge_base",
            r#"["ROOT/work/clone", "HEAD"]"#,
            r#"{"is_ancestor": true, "all": true}"#,
        ),
        (
            "git.discard_local_changes",
            r#"["ROOT/work/clone", "file"]"#,
            "{}",
        ),
        ("git.checkout", r#"["ROOT/work/clone", "other"]"#, "{}"),
        ("git.checkout", r#"["ROOT/work/clone"]"#, "{}"),
        ("git.checkout", r#"["ROOT/work/clone", "none"]"#, "{}"),
        (
            "git.checkout",
            r#"["ROOT/work/clone"]"#,
            r#"{"opts": "-b made origin/main"}"#,
        ),
        ("git.branch", r#"["ROOT/work/clone", "more"]"#, "{}"),
        ("git.branch", r#"["ROOT/work/clone", "more"]"#, "{}"),
        (
            "git.branch",
            r#"["ROOT/work/clone", "more"]"#,
            r#"{"opts": "-d"}"#,
        ),
        ("git.tag", r#"["ROOT/work/clone", "v3"]"#, "{}"),
        (
            "git.tag",
            r#"["ROOT/work/clone", "v3"]"#,
            r#"{"opts": "-d"}"#,
        ),
        (
            "git.tag",
            r#"["ROOT/work/clone", "v4"]"#,
            r#"{"opts": "-m x"}"#,
        ),
        ("git.symbolic_ref", r#"["ROOT/work/clone", "HEAD"]"#, "{}"),
        ("git.add", r#"["ROOT/work/clone", "untracked"]"#, "{}"),
        ("git.add", r#"["ROOT/work/clone", "none"]"#, "{}"),
        (
            "git.commit",
            r#"["ROOT/work/clone", "more"]"#,
            r#"{"opts": "-q", "git_opts": "-c user.name=x -c user.email=x@example.org"}"#,
        ),
        ("git.rm", r#"["ROOT/work/clone", "new"]"#, "{}"),
        (
            "git.reset",
            r#"["ROOT/work/clone"]"#,
            r#"{"opts": "--hard v1"}"#,
        ),
        (
            "git.merge",
            r#"["ROOT/work/clone"]"#,
            r#"{"rev": "origin/other"}"#,
        ),
        (
            "git.rebase",
            r#"["ROOT/work/clone"]"#,
            r#"{"rev": "origin/other"}"#,
        ),
        ("git.rebase", r#"["ROOT/work/clone"]"#, r#"{"opts": "-i"}"#),
        ("git.stash", r#"["ROOT/work/clone"]"#, "{}"),
        (
            "git.pull",
            r#"["ROOT/work/clone"]"#,
            r#"{"opts": "origin main"}"#,
        ),
        (
            "git.push",
            r#"["ROOT/work/clone", "ROOT/work/bare", "v1:refs/heads/pushed"]"#,
            r#"{"opts": "-q"}"#,
        ),
        (
            "git.archive",
            r#"["ROOT/work/clone", "ROOT/cache/out.tar"]"#,
            r#"{"format": "tar"}"#,
        ),
        (
            "git.archive",
            r#"["ROOT/work/clone", "ROOT/cache/out.tar", "none"]"#,
            "{}",
        ),
        ("git.clone", r#"["ROOT/work/c2", "ROOT/work/origin"]"#, "{}"),
        (
            "git.clone",
            r#"["ROOT/work/c3", "ROOT/work/origin"]"#,
            r#"{"name": "in", "opts": "-b other"}"#,
        ),
        ("git.clone", r#"["ROOT/work/c4", "ROOT/none"]"#, "{}"),
        ("git.clone", r#"["ROOT/work/c4"]"#, "{}"),
        (
            "git.init",
            r#"["ROOT/work/c5"]"#,
            r#"{"opts": "-q -b main", "shared": "group"}"#,
        ),
        (
            "git.submodule",
            r#"["ROOT/work/clone", "update"]"#,
            r#"{"opts": "--init"}"#,
        ),
        (
            "git.submodule",
            r#"["ROOT/work/clone", "update"]"#,
            r#"{"init": true}"#,
        ),
        ("git.is_worktree", r#"["ROOT/work/clone"]"#, "{}"),
        ("git.is_worktree", r#"["ROOT/srv"]"#, "{}"),
        (
            "git.worktree_add",
            r#"["ROOT/work/origin", "ROOT/work/tree"]"#,
            "{}",
        ),
        (
            "git.worktree_add",
            r#"["ROOT/work/origin", "ROOT/work/tree2", "v1"]"#,
            r#"{"detach": true}"#,
        ),
        (
            "git.worktree_add",
            r#"["ROOT/work/origin", "ROOT/work/tree3"]"#,
            r#"{"detach": true, "branch": "x"}"#,
        ),
        ("git.is_worktree", r#"["ROOT/work/tree"]"#, "{}"),
        ("git.list_worktrees", r#"["ROOT/work/origin"]"#, "{}"),
        ("git.worktree_rm", r#"["ROOT/work/tree"]"#, "{}"),
        ("git.worktree_rm", r#"["ROOT/work/tree"]"#, "{}"),
        (
            "git.list_worktrees",
            r#"["ROOT/work/origin"]"#,
            r#"{"stale": true}"#,
        ),
        ("git.worktree_prune", r#"["ROOT/work/origin"]"#, "{}"),
        (
            "git.list_worktrees",
            r#"["ROOT/work/origin"]"#,
            r#"{"all": true}"#,
        ),
    ],
}];
