//! Finding nodes: by path, alias, label or `phandle`, and back from a node to its path.
//!
//! Owns nothing. A path component without a unit address takes the first child of that name (Devicetree Specification
//! v0.4, 2.2.3); aliases are those of `/aliases`, labels those `dtc -@` leaves in `/__symbols__`.

use crate::{Known, NodeId, Tree};
use alloc::string::String;
use alloc::vec::Vec;

impl Tree<'_> {
    /// Finds a node by `path`: `/soc/uart@1000`, `/soc/uart`, an alias, a label, or one of the last two and a path
    /// below it (`soc/uart`).
    #[must_use]
    pub fn find(&self, path: &str) -> Option<NodeId> {
        if path.starts_with('/') {
            return self.descend(NodeId::ROOT, path);
        }
        let end = path.bytes().position(|byte| byte == b'/').unwrap_or(path.len());
        let (name, below) = path.split_at_checked(end)?;
        let start = ["aliases", "__symbols__"].into_iter().find_map(|list| {
            let target = self.string(self.child(NodeId::ROOT, list)?, name)?;
            if target.starts_with('/') { self.descend(NodeId::ROOT, target) } else { None }
        })?;
        self.descend(start, below)
    }

    /// Returns the child of `id` named `name`, with or without its unit address.
    #[must_use]
    pub fn child(&self, id: NodeId, name: &str) -> Option<NodeId> {
        self.named(id, name.as_bytes())
    }

    fn named(&self, id: NodeId, name: &[u8]) -> Option<NodeId> {
        let is_named = |child: &NodeId| {
            let whole = self.name_bytes(*child);
            let end = whole.get(name.len());
            end.is_none_or(|end| *end == b'@' && name.iter().all(|byte| *byte != b'@')) && whole.starts_with(name)
        };
        self.children(id).find(is_named)
    }

    /// Returns the first node whose `phandle` is `phandle`.
    #[must_use]
    pub fn by_phandle(&self, phandle: u32) -> Option<NodeId> {
        self.nodes().find(|id| self.get(*id, Known::Phandle) == Some(&phandle.to_be_bytes()))
    }

    /// Returns the full path of `id`, unit addresses included.
    #[must_use]
    pub fn path(&self, id: NodeId) -> String {
        let mut path = Vec::new();
        self.path_into(id, &mut path);
        String::from_utf8(path).unwrap_or_default()
    }

    /// Adds the full path of `id` to `path`.
    pub fn path_into(&self, id: NodeId, path: &mut Vec<u8>) {
        if let Some(parent) = self.parent(id).filter(|parent| *parent != NodeId::ROOT) {
            // At most `MAX_DEPTH` calls.
            self.path_into(parent, path);
        }
        path.push(b'/');
        path.extend_from_slice(self.name_bytes(id));
    }

    fn descend(&self, start: NodeId, path: &str) -> Option<NodeId> {
        let mut names = path.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        names.try_fold(start, |id, name| self.named(id, name))
    }
}
