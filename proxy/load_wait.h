// Waiting for the disk, on a core, without waiting for ever.
#pragma once

#include "cache/store/load.h"
#include "http/time.h"
#include "proxy/asio.h"
#include "proxy/awaitable.h"
#include "proxy/core.h"

#include <memory>

namespace gatehouse::proxy {

// A part of a body in a file, when the client has the beginning already.
inline constexpr http::Duration kLongestFileRead{10'000};

// On the core's thread. False: it takes longer than that.
awaitable<bool> wait_for(Core& core, std::shared_ptr<cache::store::Load> load, http::Duration longest);

} // namespace gatehouse::proxy
