//! Devices known to master no DMA, each reviewed against its manual.
//!
//! Owns the list and nothing else. A device is on it only by its most specific `compatible`: a string we have not
//! reviewed may name a variant that does more. What is not here is taken to master DMA (invariant 8); a plan may vouch
//! for it with `dma = "none"`.

/// Each with why it is here.
pub(crate) const REVIEWED: &[&[u8]] = &[
    b"arm,pl011",             // UART; its DMA requests go to a controller that is a device of its own (DDI 0183)
    b"arm,sbsa-uart",         // the PL011's subset without even the requests (SBSA, appendix B)
    b"arm,pl031",             // real time clock, registers only (DDI 0224)
    b"arm,pl061",             // GPIO, registers only (DDI 0190)
    b"arm,sp804",             // two timers, registers only (DDI 0271)
    b"arm,sp805",             // watchdog, registers only (DDI 0270)
    b"arm,sbsa-gwdt",         // generic watchdog, registers only (SBSA, section 5)
    b"arm,armv7-timer-mem",   // the generic timer's frames (DDI 0487, chapter I2)
    b"ns16550",               // UART, registers only
    b"ns16550a",              // UART, registers only
    b"snps,dw-apb-uart",      // UART; handshakes with a separate DMA controller
    b"cdns,uart-r1p8",        // UART, registers only
    b"cdns,uart-r1p12",       // a later one
    b"xlnx,zynqmp-uart",      // the same Cadence UART
    b"xlnx,xuartps",          // the same Cadence UART
    b"brcm,bcm2835-aux-uart", // the mini UART, registers only (BCM2711 peripherals, 2.2)
    b"brcm,bcm2835-aux",      // enables of the auxiliary peripherals (BCM2711 peripherals, 2.1)
    b"brcm,bcm2835-rng",      // random numbers by register
    b"brcm,bcm2711-rng200",   // random numbers by register
    b"brcm,bcm2835-system-timer", // free-running counter (BCM2711 peripherals, chapter 10)
    b"brcm,bcm2835-pm",       // power manager and watchdog, registers only
    b"brcm,bcm2711-pm",       // the same with its neighbours' resets
    b"brcm,bcm2711-i2c",      // I2C controller fed byte by byte (BCM2711 peripherals, chapter 3)
    b"brcm,bcm2711-gpio",     // pins, registers only (BCM2711 peripherals, chapter 5)
    b"cfi-flash",             // NOR flash, read and written by the CPU (JESD68)
    b"mmio-sram",             // memory that only answers
    b"syscon",                // registers for others to use
    b"gpio-mmio",             // pins, registers only
];
