//! Finding nodes: by path, alias, label or `phandle`, and back from a node to its path.
//!
//! Owns nothing. A path component without a unit address takes the first child of that name (Devicetree Specification
//! v0.4, 2.2.3); aliases are those of `/aliases`, labels those `dtc -@` leaves in `/__symbols__`.

use crate::{Known, NodeId, Tree};
use alloc::string::String;

impl Tree<'_> {
    /// Finds a node by `path`: `/soc/uart@1000`, `/soc/uart`, an alias, a label, or one of the last two and a path
    /// below it (`soc/uart`).
    #[must_use]
    pub fn find(&self, path: &str) -> Option<NodeId> {
        if let Some(below) = path.strip_prefix('/') {
            return self.descend(NodeId::ROOT, below);
        }
        let (name, below) = path.split_once('/').unwrap_or((path, ""));
        let start = ["aliases", "__symbols__"].into_iter().find_map(|list| {
            let target = self.string(self.child(NodeId::ROOT, list)?, name)?;
            self.descend(NodeId::ROOT, target.strip_prefix('/')?)
        })?;
        self.descend(start, below)
    }

    /// Returns the child of `id` named `name`, with or without its unit address.
    #[must_use]
    pub fn child(&self, id: NodeId, name: &str) -> Option<NodeId> {
        let named = |child: &NodeId| {
            let whole = self.name_bytes(*child);
            let end = whole.get(name.len());
            end.is_none_or(|end| *end == b'@' && !name.contains('@')) && whole.starts_with(name.as_bytes())
        };
        self.children(id).find(named)
    }

    /// Returns the first node whose `phandle` is `phandle`.
    #[must_use]
    pub fn by_phandle(&self, phandle: u32) -> Option<NodeId> {
        self.nodes().find(|id| self.get(*id, Known::Phandle) == Some(&phandle.to_be_bytes()))
    }

    /// Returns the full path of `id`, unit addresses included.
    #[must_use]
    pub fn path(&self, id: NodeId) -> String {
        let above = self.parent(id).filter(|parent| *parent != NodeId::ROOT);
        // At most `MAX_DEPTH` calls.
        let mut path = above.map_or_else(String::new, |parent| self.path(parent));
        path.push('/');
        path.push_str(self.name(id));
        path
    }

    fn descend(&self, start: NodeId, path: &str) -> Option<NodeId> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(start, |id, name| self.child(id, name))
    }
}
