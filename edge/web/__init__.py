"""The technician's page: what the unit does, what became of the last image, what is wrong and what to do.

It reads the store and the run folder from the side and gives two commands (analyse again, send again). What always
holds: a failure never looks like a clean result, an outcome is told in words and by shape before colour, and no
patient data reaches a log.

    parts     what the processes say of themselves      problems   what is wrong, and the next step
    views     one image as the page shows it            drawing    the marks on the film
    words     every sentence that a person reads        live       telling open pages that something changed
    pages     what people see                           feeds      what pages and programs fetch
    actions   what can be asked for                     desk       where routes find things
    guard     who may speak to us, and how              server     the web server
"""
