//! The counting allocator, installed.

use std::hint::black_box;
use std::net::UdpSocket;
use std::os::fd::AsFd;

use offhook_linux_ffi::{CountingAllocator, DatagramReceiver, DatagramSender, StampClock, register_thread};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[test]
fn allocations_of_a_registered_thread_are_counted_and_of_others_not() {
    let (mine, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| register_thread().unwrap()).join().unwrap();
        let mine = scope
            .spawn(|| {
                let counter = register_thread().unwrap();
                let before = (counter.allocations(), counter.octets());
                black_box(vec![0u8; 1000]);
                let mut grown = black_box(Vec::<u8>::with_capacity(10));
                grown.reserve_exact(100);
                black_box(grown);
                (counter.allocations() - before.0, counter.octets() - before.1)
            })
            .join()
            .unwrap();
        black_box(vec![0u8; 1000]);
        (mine, other)
    });

    assert_eq!(mine, (3, 1000 + 10 + 100));
    assert!(other.octets() < 1000, "after its end a thread counts no more");
}

#[test]
fn a_thread_that_registers_twice_keeps_its_counters() {
    std::thread::spawn(|| assert_eq!(register_thread(), register_thread())).join().unwrap();
}

#[test]
fn sending_and_receiving_allocate_nothing() {
    let ours = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = ours.local_addr().unwrap();
    let mut sender = DatagramSender::new(8, 200);
    let mut receiver = DatagramReceiver::new(8, 200);
    offhook_linux_ffi::enable_arrival_stamps(ours.as_fd()).unwrap();
    let counter = register_thread().unwrap();
    let before = counter.allocations();
    let mut received = 0;

    for _ in 0..100 {
        for n in 0..8 {
            sender.queue(&[n; 172], target);
        }
        sender.send(ours.as_fd());
        let clock = StampClock::sample();
        received += receiver
            .receive(ours.as_fd(), clock, |datagram| {
                black_box(datagram.arrived_at);
            })
            .unwrap_or(0);
    }

    assert_eq!(counter.allocations() - before, 0);
    assert_eq!(received, 800);
}
