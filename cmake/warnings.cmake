# The warnings of our own code, as one interface target. Libraries are system includes and stay silent.
add_library(gatehouse_warnings INTERFACE)
target_compile_options(gatehouse_warnings INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor -Wold-style-cast
    $<$<BOOL:${GATEHOUSE_WERROR}>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC 12 reports these two in std::string and std::optional code that is right, once it inlines it:
    # gcc.gnu.org/PR105329 (-Wrestrict) and PR80635 (-Wmaybe-uninitialized).
    target_compile_options(gatehouse_warnings INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
else()
    # In clang, unlike in GCC, -Wconversion contains this one. Both compilers are to say the same.
    target_compile_options(gatehouse_warnings INTERFACE -Wno-sign-conversion)
endif()
