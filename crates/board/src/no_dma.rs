//! Devices known to master no DMA, each reviewed against its manual.
//!
//! Owns the list and nothing else. A device is on it only by its most specific `compatible`: a string we have not
//! reviewed may name a variant that does more. What is not here is taken to master DMA (invariant 8); a plan may vouch
//! for it with `dma = "none"`.

/// Each with why it is here, and a space before the next: an empty name would vouch for what has no `compatible`.
pub(crate) const REVIEWED: &str = concat!(
    "arm,pl011 ",             // UART; its DMA requests go to a controller that is a device of its own (DDI 0183)
    "arm,sbsa-uart ",         // the PL011's subset without even the requests (SBSA, appendix B)
    "arm,pl031 ",             // real time clock, registers only (DDI 0224)
    "arm,pl061 ",             // GPIO, registers only (DDI 0190)
    "arm,sp804 ",             // two timers, registers only (DDI 0271)
    "arm,sp805 ",             // watchdog, registers only (DDI 0270)
    "arm,sbsa-gwdt ",         // generic watchdog, registers only (SBSA, section 5)
    "arm,armv7-timer-mem ",   // the generic timer's frames (DDI 0487, chapter I2)
    "ns16550 ",               // UART, registers only
    "ns16550a ",              // UART, registers only
    "snps,dw-apb-uart ",      // UART; handshakes with a separate DMA controller
    "cdns,uart-r1p8 ",        // UART, registers only
    "cdns,uart-r1p12 ",       // a later one
    "xlnx,zynqmp-uart ",      // the same Cadence UART
    "xlnx,xuartps ",          // the same Cadence UART
    "brcm,bcm2835-aux-uart ", // the mini UART, registers only (BCM2711 peripherals, 2.2)
    "brcm,bcm2835-aux ",      // enables of the auxiliary peripherals (BCM2711 peripherals, 2.1)
    "brcm,bcm2835-rng ",      // random numbers by register
    "brcm,bcm2711-rng200 ",   // random numbers by register
    "brcm,bcm2835-system-timer ", // free-running counter (BCM2711 peripherals, chapter 10)
    "brcm,bcm2835-pm ",       // power manager and watchdog, registers only
    "brcm,bcm2711-pm ",       // the same with its neighbours' resets
    "brcm,bcm2711-i2c ",      // I2C controller fed byte by byte (BCM2711 peripherals, chapter 3)
    "brcm,bcm2711-gpio ",     // pins, registers only (BCM2711 peripherals, chapter 5)
    "cfi-flash ",             // NOR flash, read and written by the CPU (JESD68)
    "mmio-sram ",             // memory that only answers
    "syscon ",                // registers for others to use
    "gpio-mmio",              // pins, registers only
);

#[cfg(test)]
mod tests {
    #[test]
    fn a_device_without_a_name_is_not_reviewed() {
        assert_eq!(super::REVIEWED.split(' ').count(), 28);
        assert_eq!(tree::which(super::REVIEWED, b""), None);
        assert_eq!(tree::which(super::REVIEWED, b"gpio-mmio"), Some(27));
    }
}
