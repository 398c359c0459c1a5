"""The technician's page: what the unit does, what became of the last image, what is wrong and what to do.

It reads the store and the run folder from the side and gives two commands (analyse again, send again). What always
holds: a failure never looks like a clean result, an outcome is told in words and by shape before colour, and no
patient data reaches a log.

    parts   what the processes say of themselves    problems  what is wrong, and the next step
    strip   the four states at the top              timeline  exposures and their images
    views   one image as the page shows it          drawing   the marks on the film
    words   every sentence that a person reads      phrases   those put together from parts
    live    telling open pages of changes           pictures  the film, in a few sizes
    desk    what the routes share                   pages     what people see
    feeds   what pages and programs fetch           actions   what can be asked for
    guard   who may speak to us, and how            server    the web server
"""
