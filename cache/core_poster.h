// How code that knows no event loop reaches another core: it hands a job to the loop of that core.
#pragma once

#include <functional>

namespace gatehouse::cache {

class CorePoster {
public:
    virtual ~CorePoster() = default;
    // Runs the job on that core's thread, soon; jobs of one sender to one core keep their order. Any thread.
    virtual void post(unsigned core, std::function<void()> job) = 0;
    virtual unsigned cores() const noexcept = 0;
    // Whether the caller is on that core's thread, within its loop: what only marks something may then be done at once.
    virtual bool is_here(unsigned /*core*/) const noexcept { return false; }
};

} // namespace gatehouse::cache
