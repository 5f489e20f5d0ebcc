//! The little of GDB's remote protocol that looking takes: QEMU's stub, asked for registers and physical memory.
//!
//! Connecting stops the machine between two instructions; letting go lets it run on.

use crate::script::Failure;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long QEMU may take for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// What one packet asks for at most.
const MOST: u64 = 0x800;

/// A connection; dropping it lets the machine run on.
pub struct Stub {
    stream: UnixStream,
    /// The numbers of the system registers.
    registers: BTreeMap<String, u64>,
}

impl Stub {
    /// Connects to the stub behind a socket and stops the machine.
    ///
    /// # Errors
    /// No stub there, or none of QEMU's.
    pub fn connect(socket: &Path) -> Result<Self, Failure> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut stub = Self { stream, registers: BTreeMap::new() };
        stub.ask("qSupported:xmlRegisters=aarch64")?;
        stub.ask("qXfer:features:read:target.xml:0,800")?;
        let text = stub.document("system-registers.xml")?;
        for register in text.split("<reg ").skip(1) {
            let field = |name: &str| register.split_once(&format!("{name}=\""))?.1.split('"').next();
            let (Some(name), Some(number)) = (field("name"), field("regnum").and_then(|text| text.parse().ok())) else {
                continue;
            };
            stub.registers.insert(name.to_ascii_uppercase(), number);
        }
        match stub.ask("Qqemu.PhyMemMode:1")?.as_str() {
            "OK" => Ok(stub),
            answer => Err(failure(format_args!("no physical memory: {answer}"))),
        }
    }

    /// Turns to a CPU, by its index: what [`Self::register`] reads is that one's.
    ///
    /// # Errors
    /// It does not exist.
    pub fn turn_to(&mut self, cpu: usize) -> Result<(), Failure> {
        match self.ask(&format!("Hg{:x}", cpu.saturating_add(1)))?.as_str() {
            "OK" => Ok(()),
            answer => Err(failure(format_args!("no CPU {cpu}: {answer}"))),
        }
    }

    /// Reads a system register by its name.
    ///
    /// # Errors
    /// QEMU does not show it.
    pub fn register(&mut self, name: &str) -> Result<u64, Failure> {
        let number = *self.registers.get(name).ok_or_else(|| failure(format_args!("QEMU does not show {name}")))?;
        let answer = self.ask(&format!("p{number:x}"))?;
        Ok(little(&bytes(&answer)?))
    }

    /// Reads physical memory.
    ///
    /// # Errors
    /// Nothing there.
    pub fn memory(&mut self, address: u64, count: u64) -> Result<Vec<u8>, Failure> {
        let mut all = Vec::new();
        while let left @ 1.. = count.saturating_sub(all.len() as u64) {
            let at = address.saturating_add(all.len() as u64);
            let answer = self.ask(&format!("m{at:x},{:x}", left.min(MOST)))?;
            all.extend(bytes(&answer).map_err(|_| failure(format_args!("nothing at {at:#x}: {answer}")))?);
        }
        Ok(all)
    }

    /// Writes physical memory.
    ///
    /// # Errors
    /// Nothing there.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Failure> {
        let mut packet = format!("M{address:x},{:x}:", bytes.len());
        for byte in bytes {
            packet.push_str(&format!("{byte:02x}"));
        }
        match self.ask(&packet)?.as_str() {
            "OK" => Ok(()),
            answer => Err(failure(format_args!("no writing at {address:#x}: {answer}"))),
        }
    }

    /// Reads one 32-bit register of a device.
    ///
    /// # Errors
    /// Nothing there.
    pub fn device(&mut self, address: u64) -> Result<u32, Failure> {
        let word = little(&self.memory(address, 4)?);
        u32::try_from(word).map_err(failure)
    }

    fn document(&mut self, name: &str) -> Result<String, Failure> {
        let mut text = String::new();
        loop {
            let part = self.ask(&format!("qXfer:features:read:{name}:{:x},{MOST:x}", text.len()))?;
            text.push_str(part.get(1..).unwrap_or_default());
            match part.chars().next() {
                Some('m') => {}
                Some('l') => return Ok(text),
                _ => return Err(failure(format_args!("{name}: {part}"))),
            }
        }
    }

    /// Sends a packet and returns the answer's text.
    fn ask(&mut self, packet: &str) -> Result<String, Failure> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.stream, "${packet}#{sum:02x}")?;
        let mut answer = Vec::new();
        while self.byte()? != b'$' {}
        loop {
            match self.byte()? {
                b'#' => break,
                b'}' => answer.push(self.byte()? ^ 0x20),
                byte => answer.push(byte),
            }
        }
        // The sum: a socket loses nothing.
        self.byte()?;
        self.byte()?;
        self.stream.write_all(b"+")?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn byte(&mut self) -> Result<u8, Failure> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        let _ = self.ask("D");
    }
}

fn failure(reason: impl Display) -> Failure {
    Failure::early(format!("QEMU's gdb stub: {reason}"))
}

fn bytes(hex: &str) -> Result<Vec<u8>, Failure> {
    let digits = |at: usize| hex.get(at..at.saturating_add(2)).and_then(|two| u8::from_str_radix(two, 16).ok());
    (0..hex.len()).step_by(2).map(|at| digits(at).ok_or_else(|| failure(hex))).collect()
}

fn little(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
