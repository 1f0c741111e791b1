// A few threads that do jobs which may block, in the order in which they came.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace gatehouse::cache::store {

class JobThreads {
public:
    // `most_queued`: jobs that wait; more are refused.
    JobThreads(unsigned threads, std::size_t most_queued);
    ~JobThreads() { stop(); }
    JobThreads(const JobThreads&) = delete;
    JobThreads& operator=(const JobThreads&) = delete;

    // False: too many wait, or it was stopped. Any thread.
    bool post(std::function<void()> job);
    // Ends when the jobs that were taken have been done. Once; from then on every job is refused.
    void stop();

private:
    void run();

    const std::size_t most_queued_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> jobs_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

} // namespace gatehouse::cache::store
