//! Sizes and addresses as people write them: `"64K"`, `"256M"`, `"1G"`, `"0x4000_0000"`.

/// Reads a number with an optional `K`, `M` or `G` (also `KiB`, `MiB`, `GiB`), decimal or `0x` hexadecimal.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = if text.starts_with("0x") { text } else { text.trim_end_matches(|c: char| c.is_ascii_alphabetic()) };
    let unit = match text.strip_prefix(digits)? {
        "" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        _ => return None,
    };
    let digits = digits.trim_end().replace('_', "");
    let (digits, radix) = digits.strip_prefix("0x").map_or((digits.as_str(), 10), |hex| (hex, 16));
    if digits.starts_with('+') {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    value.checked_mul(unit)
}

/// Writes bytes in the largest unit that leaves no rest.
#[must_use]
pub fn show(bytes: u64) -> String {
    for (unit, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes != 0 && bytes.is_multiple_of(unit) {
            return format!("{} {name}", bytes.checked_div(unit).unwrap_or(0));
        }
    }
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in [
            ("64K", 0x1_0000),
            ("256M", 0x1000_0000),
            ("1G", 0x4000_0000),
            ("2 MiB", 0x20_0000),
            ("0x4000_0000", 0x4000_0000),
            ("4096", 4096),
        ] {
            assert_eq!(parse(text), Some(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_none() {
        for text in ["", "M", "-1", "+1", "1.5G", "12 parsecs", "0x", "99999999999G", "0x+1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_show_in_their_largest_whole_unit() {
        assert_eq!(show(0x1000_0000), "256 MiB");
        assert_eq!(show(4097), "4097 bytes");
    }
}
