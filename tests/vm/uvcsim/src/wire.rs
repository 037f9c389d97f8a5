//! USB/IP messages: 48 bytes of header, numbers with the high byte first.

/// Bytes of a header.
pub const HEADER: usize = 48;
/// The status of a request that the device refuses.
pub const STALLED: i32 = -32;
/// The status of a request that was taken back.
const TAKEN_BACK: i32 = -104;

const SUBMIT_ANSWER: u32 = 3;
const UNLINK_ANSWER: u32 = 4;

/// What the kernel wants.
pub enum Command {
    /// A transfer of so many bytes.
    Submit { length: usize },
    /// An earlier request back.
    Unlink { victim: u32 },
}

/// A message's header.
pub struct Header {
    pub command: Command,
    pub number: u32,
    pub endpoint: u32,
    /// From the device to the host.
    pub incoming: bool,
    pub setup: [u8; 8],
}

impl Header {
    /// Takes a header apart.
    pub fn read(bytes: &[u8; HEADER]) -> Self {
        let word = |i: usize| u32::from_be_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]);
        let command = match word(0) {
            2 => Command::Unlink { victim: word(5) },
            _ => Command::Submit { length: word(6) as usize },
        };
        let mut setup = [0; 8];
        setup.copy_from_slice(&bytes[40..]);
        Self { command, number: word(1), endpoint: word(4), incoming: word(3) == 1, setup }
    }
}

fn message(kind: u32, number: u32, status: i32, length: u32, data: &[u8]) -> Vec<u8> {
    let words = [kind, number, 0, 0, 0, status as u32, length, 0, 0, 0, 0, 0];
    let mut message: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    message.extend_from_slice(data);
    message
}

/// The answer to a transfer.
pub fn submitted(number: u32, status: i32, length: u32, data: &[u8]) -> Vec<u8> {
    message(SUBMIT_ANSWER, number, status, length, data)
}

/// The answer to a request that was to be taken back; where it is not `found` it was answered before.
pub fn unlinked(number: u32, found: bool) -> Vec<u8> {
    message(UNLINK_ANSWER, number, if found { TAKEN_BACK } else { 0 }, 0, &[])
}
