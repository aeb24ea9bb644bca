//! A tree as a minion without a master has it.

use std::fs;
use std::path::{Path, PathBuf};

/// Where a tree's parts lie.
pub(super) struct Layout {
    root: PathBuf,
    pillar: Option<PathBuf>,
}

impl Layout {
    pub(super) fn new(root: &Path, pillar: Option<&Path>) -> Self {
        let example = root.join("pillar.example");
        Self {
            root: root.canonicalize().unwrap(),
            pillar: pillar
                .map(Path::to_owned)
                .or_else(|| example.is_file().then_some(example)),
        }
    }

    /// Writes the configuration of one side. A tree with a file `minion` is laid out in full (`ROOT` in it is
    /// the tree); any other one is its own file root.
    pub(super) fn write(&self, home: &Path) {
        fs::create_dir_all(home.join("minion.d")).unwrap();
        let root = self.root.display().to_string();
        let own = fs::read_to_string(self.root.join("minion"));
        let roots = match (&own, self.root.join("pillar").is_dir()) {
            (Ok(text), _) if text.contains("file_roots") => String::new(),
            (Ok(_), _) => {
                format!(
                    "file_roots: {{base: [{root}/salt]}}\npillar_roots: {{base: [{root}/pillar]}}\n"
                )
            }
            _ => format!(
                "file_roots: {{base: [{root}]}}\npillar_roots: {{base: [{}]}}\n",
                home.join("pillar").display()
            ),
        };
        if let Some(pillar) = &self.pillar {
            fs::create_dir_all(home.join("pillar")).unwrap();
            fs::write(home.join("pillar/top.sls"), "base: {'*': [example]}\n").unwrap();
            fs::copy(pillar, home.join("pillar/example.sls")).unwrap();
        }
        let common = format!(
            "root_dir: {}\nfile_client: local\nid: minion\nlog_level: quiet\nstate_events: false\n",
            home.display()
        );
        fs::write(home.join("minion"), common + &roots).unwrap();
        if let Ok(text) = own {
            fs::write(home.join("minion.d/tree.conf"), text.replace("ROOT", &root)).unwrap();
        }
    }
}
