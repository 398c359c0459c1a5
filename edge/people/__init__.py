"""People: who may sign in, with what, and what each may do.

What always holds: nobody may do what no role allows; a secret is kept only as an Argon2id hash; a session ends by
itself when it is not used, at the latest after half a day, and with the boot it began in.

    roles      what each role may do            secrets   hashing, and what is too easy to guess
    register   accounts, sessions, links        site      the settings that may change while it runs
    tries      how often one may try            setup     the code of a fresh appliance
    cli        accounts from the terminal
"""
