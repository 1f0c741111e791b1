// A list of free pieces for each size and thread.
#include "proxy/frame_memory.h"

#include <array>
#include <new>

namespace gatehouse::proxy {

namespace {

struct FreeFrame {
    FreeFrame* next;
};

class KeptFrames {
public:
    KeptFrames() = default;
    KeptFrames(const KeptFrames&) = delete;
    KeptFrames& operator=(const KeptFrames&) = delete;
    ~KeptFrames() {
        ended_ = true;
        for (List& list : lists_) {
            while (void* frame = list.take()) {
                ::operator delete(frame);
            }
        }
    }

    void* take(std::size_t size_class) noexcept { return lists_[size_class].take(); }
    bool keep(std::size_t size_class, void* frame) noexcept { return !ended_ && lists_[size_class].keep(frame); }

private:
    struct List {
        void* take() noexcept {
            FreeFrame* const frame = first;
            if (frame != nullptr) {
                first = frame->next;
                --count;
            }
            return frame;
        }
        bool keep(void* frame) noexcept {
            if (count == kKeptFrames) {
                return false;
            }
            first = ::new (frame) FreeFrame{first};
            ++count;
            return true;
        }
        FreeFrame* first = nullptr;
        std::size_t count = 0;
    };
    std::array<List, kLargestKeptFrame / kFrameStep> lists_{};
    bool ended_ = false; // frames that end after their thread's lists
};

// With a sanitizer every frame is a piece of its own, so that whatever uses one that has ended is found.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeeps = false;
#else
constexpr bool kKeeps = true;
#endif

thread_local KeptFrames kept_frames;

constexpr std::size_t size_class_of(std::size_t bytes) noexcept { return (bytes - 1) / kFrameStep; }

} // namespace

void* allocate_frame(std::size_t bytes) {
    if (!kKeeps || bytes > kLargestKeptFrame) {
        return ::operator new(bytes);
    }
    const std::size_t size_class = size_class_of(bytes);
    void* const kept = kept_frames.take(size_class);
    return kept != nullptr ? kept : ::operator new((size_class + 1) * kFrameStep);
}

void free_frame(void* frame, std::size_t bytes) noexcept {
    if (!kKeeps || bytes > kLargestKeptFrame || !kept_frames.keep(size_class_of(bytes), frame)) {
        ::operator delete(frame);
    }
}

} // namespace gatehouse::proxy
