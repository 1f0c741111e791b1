# Each file in bench/ is one program, named after the file: bench/hit_path.cpp is bench_hit_path.
file(GLOB bench_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/*.cpp)
foreach(source IN LISTS bench_sources)
    get_filename_component(name ${source} NAME_WE)
    add_executable(bench_${name} ${source})
    target_link_libraries(bench_${name} PRIVATE gatehouse_proxy gatehouse_warnings)
    gatehouse_reuse_asio_pch(bench_${name})
endforeach()
