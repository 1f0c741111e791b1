// Memory for the frames of coroutines: a thread keeps the pieces that its coroutines gave back, by size, and gives them
// out again. A request that waits makes and ends a dozen frames, most of them larger than what Asio and glibc keep at
// hand.
#pragma once

#include <cstddef>

namespace gatehouse::proxy {

// Frames up to kLargestKeptFrame are kept, at most kKeptFrames of a size (sizes are rounded up to kFrameStep).
inline constexpr std::size_t kFrameStep = 128;
inline constexpr std::size_t kLargestKeptFrame = 4096;
inline constexpr std::size_t kKeptFrames = 64;

// Throws std::bad_alloc. Aligned as operator new does it.
void* allocate_frame(std::size_t bytes);
// With the number of bytes that was asked for; on any thread.
void free_frame(void* frame, std::size_t bytes) noexcept;

} // namespace gatehouse::proxy
