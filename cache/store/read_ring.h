// Reads ahead by io_uring(7): as many reads wait for the disk at once as are asked for, where threads that read wait
// for one each.
//
// What is read goes nowhere; it is then in the kernel's memory, and whoever reads it again waits for nothing. So
// whatever goes wrong here is seen by that reader, and costs time and nothing else.
#pragma once

#include "cache/store/disk_files.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

struct io_uring;

namespace gatehouse::cache::store {

class ReadRing {
public:
    static constexpr unsigned kMostInFlight = 256;     // reads that the kernel has at once
    static constexpr std::size_t kMostAsked = 4096;    // with those that wait for their turn; more are refused
    static constexpr std::size_t kMostBytes = 1 << 20; // of one read; what is longer is read ahead to there

    struct Extent {
        std::shared_ptr<const disk::File> file; // null: there is nothing to read
        std::uint64_t offset = 0;
        std::uint64_t bytes = 0;
    };

    // An error: this kernel has no io_uring, or does not let this process use it, as many containers do.
    static disk::FileResult<std::unique_ptr<ReadRing>> open();
    ~ReadRing() { stop(); }
    ReadRing(const ReadRing&) = delete;
    ReadRing& operator=(const ReadRing&) = delete;

    // `then` is called when the kernel has read it, or could not; on the ring's own thread, which it must not keep
    // waiting. False, and it is not called: there is nothing to read, too much was asked for, or it was stopped. Any
    // thread.
    bool bring(Extent extent, std::function<void()> then);
    // Ends when all that was taken has been brought. From then on everything is refused.
    void stop();

private:
    struct Read {
        Read(Extent what, std::function<void()> when_done) : extent(std::move(what)), then(std::move(when_done)) {}
        Extent extent;
        std::function<void()> then;
        std::optional<disk::File::Transfer> transfer; // while the kernel has it
    };
    struct CloseRing {
        void operator()(io_uring* ring) const noexcept;
    };
    ReadRing(std::unique_ptr<io_uring, CloseRing> ring, int wake_descriptor);

    // ---- the ring's thread
    void run();
    void listen();         // for wake()
    bool submit_waiting(); // false: it is stopped, and nothing is left to do
    void submit(std::unique_ptr<Read> read);
    void finish(std::unique_ptr<Read> read, int result);
    void wake() const noexcept; // any thread

    const std::unique_ptr<io_uring, CloseRing> ring_;
    const int wake_descriptor_; // an eventfd that the ring itself reads
    std::uint64_t wakes_ = 0;   // where the kernel puts what it read there
    std::vector<char> nowhere_;
    unsigned in_flight_ = 0;
    std::mutex mutex_;
    std::deque<std::unique_ptr<Read>> waiting_; // guarded, as the next two
    std::size_t asked_ = 0;                     // and not yet brought
    bool stopping_ = false;
    std::thread thread_;
};

} // namespace gatehouse::cache::store
