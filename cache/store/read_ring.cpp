#include "cache/store/read_ring.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <liburing.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace gatehouse::cache::store {

namespace {

disk::FileError error_of(int number) noexcept { return {number, boost::system::system_category()}; }

// Kernels before 5.6 have the ring and not this.
bool can_read(io_uring* ring) noexcept {
    io_uring_probe* const probe = io_uring_get_probe_ring(ring);
    const bool can = probe != nullptr && io_uring_opcode_supported(probe, IORING_OP_READ) != 0;
    io_uring_free_probe(probe);
    return can;
}

} // namespace

void ReadRing::CloseRing::operator()(io_uring* ring) const noexcept {
    io_uring_queue_exit(ring);
    delete ring;
}

disk::FileResult<std::unique_ptr<ReadRing>> ReadRing::open() {
    auto raw = std::make_unique<io_uring>();
    // One more than are in flight: what wakes it.
    const int refused = io_uring_queue_init(kMostInFlight + 1, raw.get(), 0);
    if (refused != 0) {
        return error_of(-refused);
    }
    std::unique_ptr<io_uring, CloseRing> ring(raw.release());
    if (!can_read(ring.get())) {
        return error_of(ENOSYS);
    }
    const int wake_descriptor = ::eventfd(0, EFD_CLOEXEC);
    if (wake_descriptor < 0) {
        return error_of(errno);
    }
    return std::unique_ptr<ReadRing>(new ReadRing(std::move(ring), wake_descriptor));
}

ReadRing::ReadRing(std::unique_ptr<io_uring, CloseRing> ring, int wake_descriptor)
    : ring_(std::move(ring)), wake_descriptor_(wake_descriptor), nowhere_(kMostBytes), thread_([this] { run(); }) {}

bool ReadRing::bring(Extent extent, std::function<void()> then) {
    if (extent.file == nullptr || extent.bytes == 0) {
        return false;
    }
    extent.bytes = std::min<std::uint64_t>(extent.bytes, kMostBytes);
    auto read = std::make_unique<Read>(std::move(extent), std::move(then));
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ || asked_ >= kMostAsked) {
            return false;
        }
        ++asked_;
        waiting_.push_back(std::move(read));
        wake(); // under the lock: afterwards it may have been stopped
    }
    return true;
}

void ReadRing::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    if (!thread_.joinable()) {
        return;
    }
    wake();
    thread_.join();
    ::close(wake_descriptor_);
}

void ReadRing::wake() const noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written =
        ::write(wake_descriptor_, &one, sizeof one); // it can only be full of wakes
}

void ReadRing::run() {
    listen();
    while (submit_waiting()) {
        const int submitted = io_uring_submit_and_wait(ring_.get(), 1);
        if (submitted < 0 && submitted != -EINTR && submitted != -EAGAIN && submitted != -EBUSY) {
            break; // cannot happen with a ring of our own
        }
        std::array<io_uring_cqe*, kMostInFlight + 1> done{};
        const unsigned count = io_uring_peek_batch_cqe(ring_.get(), done.data(), static_cast<unsigned>(done.size()));
        for (unsigned i = 0; i < count; ++i) {
            std::unique_ptr<Read> read(static_cast<Read*>(io_uring_cqe_get_data(done[i])));
            const int result = done[i]->res;
            if (read) {
                finish(std::move(read), result);
            } else {
                listen();
            }
        }
        io_uring_cq_advance(ring_.get(), count);
    }
}

void ReadRing::listen() {
    io_uring_sqe* const entry = io_uring_get_sqe(ring_.get());
    io_uring_prep_read(entry, wake_descriptor_, &wakes_, sizeof wakes_, 0);
    io_uring_sqe_set_data(entry, nullptr);
}

bool ReadRing::submit_waiting() {
    std::vector<std::unique_ptr<Read>> reads;
    {
        const std::lock_guard lock(mutex_);
        if (stopping_ && asked_ == 0) {
            return false;
        }
        while (!waiting_.empty() && in_flight_ + reads.size() < kMostInFlight) {
            reads.push_back(std::move(waiting_.front()));
            waiting_.pop_front();
        }
    }
    for (auto& read : reads) {
        ++in_flight_;
        submit(std::move(read));
    }
    return true;
}

void ReadRing::submit(std::unique_ptr<Read> read) {
    if (!read->transfer) {
        read->transfer.emplace(*read->extent.file);
    }
    io_uring_sqe* const entry = io_uring_get_sqe(ring_.get());
    io_uring_prep_read(entry, read->extent.file->descriptor(), nowhere_.data(),
                       static_cast<unsigned>(read->extent.bytes), read->extent.offset);
    io_uring_sqe_set_data(entry, read.release());
}

void ReadRing::finish(std::unique_ptr<Read> read, int result) {
    const auto bytes = static_cast<std::uint64_t>(std::max(result, 0));
    if (bytes > 0 && bytes < read->extent.bytes) { // the kernel may read less at a time
        read->extent.offset += bytes;
        read->extent.bytes -= bytes;
        submit(std::move(read));
        return;
    }
    --in_flight_;
    read->transfer.reset();
    read->then();
    const std::lock_guard lock(mutex_);
    --asked_;
}

} // namespace gatehouse::cache::store
