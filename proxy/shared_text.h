// Text that several connections of one core send from. Its count is not atomic: it stays on its core.
#pragma once

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <string>

namespace gatehouse::proxy {

struct SharedText : boost::intrusive_ref_counter<SharedText, boost::thread_unsafe_counter> {
    using Ptr = boost::intrusive_ptr<const SharedText>;
    std::string bytes;
};

} // namespace gatehouse::proxy
