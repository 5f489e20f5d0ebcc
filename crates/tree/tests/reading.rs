//! What the index says of trees that are right: QEMU's, against another reader, and small ones written here.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "a test may fail by panicking"
)]

use fdt::Fdt;
use tree::{Known, NodeId, Tree, TreeError, cells, number, size_of, which};
use vm_fdt::{FdtReserveEntry, FdtWriter};

const QEMU: [&[u8]; 3] = [
    include_bytes!("../../board/tests/data/qemu-virt-gicv2.dtb"),
    include_bytes!("../../board/tests/data/qemu-virt-gicv3.dtb"),
    include_bytes!("../../board/tests/data/qemu-virt-smmuv3.dtb"),
];

fn small() -> Vec<u8> {
    let mut writer = FdtWriter::new_with_mem_reserv(&[FdtReserveEntry::new(0x1000, 0x2000).unwrap()]).unwrap();
    let root = writer.begin_node("").unwrap();
    writer.property_u32("#address-cells", 2).unwrap();
    let bus = writer.begin_node("soc").unwrap();
    for (unit, phandle) in [(0x1000, 7), (0x2000, 9)] {
        let uart = writer.begin_node(&format!("uart@{unit:x}")).unwrap();
        writer.property_u64("reg", unit).unwrap();
        writer.property_phandle(phandle).unwrap();
        writer.property_string_list("compatible", vec!["a,b".into(), "c".into()]).unwrap();
        let child = writer.begin_node("child").unwrap();
        writer.end_node(child).unwrap();
        writer.end_node(uart).unwrap();
    }
    writer.end_node(bus).unwrap();
    for (list, name) in [("aliases", "serial0"), ("hhsymbols__", "debug")] {
        let node = writer.begin_node(list).unwrap();
        writer.property_string(name, "/soc/uart@2000").unwrap();
        writer.end_node(node).unwrap();
    }
    writer.end_node(root).unwrap();
    // The writer refuses the name that `dtc -@` gives the list of labels.
    let mut blob = writer.finish().unwrap();
    let at = blob.windows(11).position(|bytes| bytes == b"hhsymbols__").unwrap();
    blob[at..at + 2].copy_from_slice(b"__");
    blob
}

#[test]
fn every_node_and_property_is_the_one_another_reader_sees() {
    for blob in QEMU {
        let (tree, other) = (Tree::parse(blob).unwrap(), Fdt::new_unaligned_fallible(blob).unwrap());
        let mut nodes = tree.nodes().skip(1);
        for one in other.all_nodes().unwrap() {
            let (_, one) = one.unwrap();
            let id = nodes.next().unwrap();
            assert_eq!(tree.name(id), one.name().unwrap().to_string());
            let properties = one.properties().unwrap();
            let theirs: Vec<_> = properties.iter().map(|one| one.unwrap()).map(|one| (one.name, one.value)).collect();
            assert_eq!(tree.properties(id).collect::<Vec<_>>(), theirs);
        }
        assert!(nodes.next().is_none());
    }
}

#[test]
fn a_tree_reads_the_same_wherever_its_bytes_lie() {
    for blob in QEMU {
        let mut shifted = vec![0; blob.len() + 4];
        let all = |tree: Tree<'_>| {
            tree.nodes()
                .flat_map(|id| {
                    tree.properties(id).map(|(key, value)| (key.to_owned(), value.to_vec())).collect::<Vec<_>>()
                })
                .collect::<Vec<_>>()
        };
        for shift in 0..4 {
            shifted[shift..shift + blob.len()].copy_from_slice(blob);
            assert_eq!(all(Tree::parse(&shifted[shift..]).unwrap()), all(Tree::parse(blob).unwrap()));
        }
    }
}

#[test]
fn what_pads_a_name_may_be_anything() {
    // As U-Boot leaves it: "framebuffer@3c100000", NUL, NUL, NUL, 0xaf.
    let mut blob = small();
    let at = blob.windows(6).position(|bytes| bytes == b"child\0").unwrap();
    blob[at + 6..at + 8].copy_from_slice(&[0, 0xaf]);
    let tree = Tree::parse(&blob).unwrap();
    assert_eq!(tree.path(tree.find("/soc/uart@1000/child").unwrap()), "/soc/uart@1000/child");
    blob[at + 1] = 0xaf;
    assert_eq!(Tree::parse(&blob).unwrap_err(), TreeError::Text);
}

#[test]
fn padding_behind_the_tree_is_neither_needed_nor_read() {
    let mut blob = small();
    let nodes = Tree::parse(&blob).unwrap().nodes().count();
    let used = blob.len();
    assert_eq!(size_of(&blob[..8]), Some(u32::try_from(used).unwrap()));
    blob.resize(used + 4096, 0xff);
    assert_eq!(Tree::parse(&blob).unwrap().nodes().count(), nodes);
    blob[4..8].copy_from_slice(&u32::try_from(used + 4096).unwrap().to_be_bytes());
    assert_eq!(Tree::parse(&blob).unwrap().nodes().count(), nodes);
}

#[test]
fn what_pads_a_name_is_no_part_of_it() {
    // U-Boot's libfdt leaves there what was before.
    let mut blob = small();
    let at = blob.windows(8).position(|bytes| bytes == b"child\0\0\0").unwrap();
    blob[at + 6..at + 8].copy_from_slice(&[0x80, 0xaf]);
    assert_eq!(Tree::parse(&blob).unwrap().nodes().count(), Tree::parse(&small()).unwrap().nodes().count());
    blob[at + 4] = 0xe4;
    assert_eq!(Tree::parse(&blob).unwrap_err(), TreeError::Text);
}

#[test]
fn a_node_is_found_by_path_by_alias_by_label_and_by_phandle() {
    let blob = small();
    let tree = Tree::parse(&blob).unwrap();
    let second = tree.find("/soc/uart@2000").unwrap();
    assert_eq!(tree.path(second), "/soc/uart@2000");
    assert_eq!(tree.find("serial0"), Some(second));
    assert_eq!(tree.find("debug"), Some(second));
    assert_eq!(tree.path(tree.find("serial0/child").unwrap()), "/soc/uart@2000/child");
    assert_eq!(tree.by_phandle(9), Some(second));
    assert_eq!(tree.find("/soc/uart"), tree.find("/soc/uart@1000"));
    assert_eq!(tree.find("/"), Some(NodeId::ROOT));
    for absent in ["/soc/uart@200", "/soc/uar", "/soc/uart@2000/none", "serial1", "", "soc"] {
        assert_eq!(tree.find(absent), None, "{absent}");
    }
    assert_eq!(tree.by_phandle(8), None);
}

#[test]
fn children_and_subtrees_hold_their_own_and_no_others() {
    let blob = small();
    let tree = Tree::parse(&blob).unwrap();
    let names = |ids: Vec<_>| ids.into_iter().map(|id| tree.name(id)).collect::<Vec<_>>();
    assert_eq!(names(tree.children(NodeId::ROOT).collect()), ["soc", "aliases", "__symbols__"]);
    let soc = tree.find("/soc").unwrap();
    assert_eq!(names(tree.children(soc).collect()), ["uart@1000", "uart@2000"]);
    assert_eq!(tree.parent(soc), Some(NodeId::ROOT));
    assert_eq!(tree.parent(NodeId::ROOT), None);
    assert_eq!(tree.base_name(tree.find("/soc/uart").unwrap()), "uart");
}

#[test]
fn values_read_as_what_they_are_or_not_at_all() {
    let blob = small();
    let tree = Tree::parse(&blob).unwrap();
    let uart = tree.find("/soc/uart").unwrap();
    assert_eq!(tree.reservations().collect::<Vec<_>>(), [(0x1000, 0x2000)]);
    assert!(tree.has(uart, Known::Reg) && !tree.has(uart, Known::Ranges));
    assert_eq!(tree.get(uart, Known::Compatible), Some(&b"a,b\0c\0"[..]));
    assert_eq!(tree.get(uart, Known::Ranges), None);
    assert_eq!(tree.u64(uart, "reg"), Some(0x1000));
    assert_eq!(tree.u32(uart, "reg"), None);
    assert_eq!(tree.u32(uart, "phandle"), Some(7));
    assert_eq!(tree.string(uart, "compatible"), Some("a,b"));
    assert!(tree.is_compatible(uart, "d c") && !tree.is_compatible(uart, "a b"));
    assert_eq!(tree.property(uart, "none"), None);
    assert_eq!((tree.first(uart, "compatible"), tree.first(uart, "none")), (&b"a,b"[..], &b""[..]));
    assert_eq!(cells(&[0, 0, 0, 1, 0, 0, 1, 0, 9]).collect::<Vec<_>>(), [1, 256]);
    assert_eq!(number(&[1, 2, 3]), None);
    assert_eq!(
        ["ok", "okay", "oka", "ok okay"].map(|name| which("ok okay", name.as_bytes())),
        [Some(0), Some(1), None, None]
    );
}

#[test]
fn of_two_properties_of_one_name_the_first_counts() {
    let mut writer = FdtWriter::new().unwrap();
    let root = writer.begin_node("").unwrap();
    writer.property_u32("reg", 1).unwrap();
    writer.property_u32("rex", 2).unwrap();
    writer.end_node(root).unwrap();
    let mut blob = writer.finish().unwrap();
    let at = blob.windows(4).position(|bytes| bytes == b"rex\0").unwrap();
    blob[at + 2] = b'g';
    let tree = Tree::parse(&blob).unwrap();
    assert_eq!(tree.properties(NodeId::ROOT).count(), 2);
    assert_eq!(tree.u32(NodeId::ROOT, "reg"), Some(1));
    assert_eq!(tree.get(NodeId::ROOT, Known::Reg), Some(&[0, 0, 0, 1][..]));
}

#[test]
fn what_an_overlay_cut_out_is_passed_over() {
    let mut blob = small();
    let reg = [0, 0, 0, 0, 0, 0, 0x10, 0];
    let at = blob.windows(8).rposition(|bytes| bytes == reg).unwrap() - 12;
    for word in blob[at..at + 20].chunks_mut(4) {
        word.copy_from_slice(&[0, 0, 0, 4]);
    }
    let tree = Tree::parse(&blob).unwrap();
    let uart = tree.find("/soc/uart@1000").unwrap();
    assert_eq!((tree.get(uart, Known::Reg), tree.property(uart, "reg")), (None, None));
    assert_eq!(tree.get(uart, Known::Phandle), Some(&[0, 0, 0, 7][..]));
    assert_eq!((tree.u32(uart, "phandle"), tree.properties(uart).count()), (Some(7), 2));
}

#[test]
fn a_name_far_behind_in_the_strings_block_is_known_too() {
    let mut writer = FdtWriter::new().unwrap();
    let root = writer.begin_node("").unwrap();
    (0..200).for_each(|number| writer.property_null(&format!("filler{number}")).unwrap());
    writer.property_u32("reg", 1).unwrap();
    for unit in 2..4 {
        let node = writer.begin_node(&format!("n@{unit}")).unwrap();
        writer.property_u32("reg", unit).unwrap();
        writer.end_node(node).unwrap();
    }
    writer.end_node(root).unwrap();
    let blob = writer.finish().unwrap();
    let tree = Tree::parse(&blob).unwrap();
    let told: Vec<_> = tree.nodes().map(|id| tree.get(id, Known::Reg).and_then(number)).collect();
    assert_eq!(told, [Some(1), Some(2), Some(3)]);
}

#[test]
fn a_name_outside_the_strings_block_is_refused() {
    let mut blob = small();
    let word = |blob: &[u8], at: usize| u32::from_be_bytes(blob[at..at + 4].try_into().unwrap());
    // The root's first property: behind its token and empty name, a length, then where the name is.
    let at = word(&blob, 8) as usize + 16;
    let strings = word(&blob, 32);
    blob[at..at + 4].copy_from_slice(&strings.to_be_bytes());
    assert!(Tree::parse(&blob).is_ok(), "an empty rest of the block is a name that is no text");
    blob[at..at + 4].copy_from_slice(&(strings + 1).to_be_bytes());
    assert_eq!(Tree::parse(&blob).unwrap_err(), TreeError::Text);
}

#[test]
fn a_tree_may_nest_as_deep_as_the_limit_and_no_deeper() {
    let nested = |depth: usize| {
        let mut writer = FdtWriter::new().unwrap();
        let open: Vec<_> =
            (0..depth).map(|level| writer.begin_node(if level == 0 { "" } else { "n" }).unwrap()).collect();
        open.into_iter().rev().for_each(|node| writer.end_node(node).unwrap());
        writer.finish().unwrap()
    };
    assert_eq!(Tree::parse(&nested(tree::MAX_DEPTH)).unwrap().nodes().count(), tree::MAX_DEPTH);
    // vm-fdt stops at the same depth: one more level by hand.
    let mut deeper = vec![0xd0, 0x0d, 0xfe, 0xed];
    let structure = tree::MAX_DEPTH as u32 * 8 + 8;
    for field in [56 + structure, 56, 56 + structure, 40, 17, 16, 0, 0, structure, 0, 0, 0, 0] {
        deeper.extend(field.to_be_bytes());
    }
    (0..=tree::MAX_DEPTH).for_each(|_| deeper.extend([0, 0, 0, 1, 0, 0, 0, 0]));
    assert_eq!(Tree::parse(&deeper).unwrap_err(), TreeError::Deep);
}
