// The log line of an origin that failed, with what to do about it.
#pragma once

#include "http/result.h"

#include <string_view>

namespace gatehouse::proxy {

// `address`: empty where there was no connection. `stage`: "head" or "content".
void log_origin_failure(std::string_view origin, std::string_view address, std::string_view stage,
                        const http::Error& error);

} // namespace gatehouse::proxy
