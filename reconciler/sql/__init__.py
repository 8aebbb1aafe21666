"""Reading a SQL script on bytes: where its statements are, what they do, which of them a tenant may run.

Nothing here talks to a server or a file system. ``script.read`` cuts a stream into statements the way the
official client does, ``included`` follows ``source``, ``statement.parse`` says what one is, ``firewall.Firewall``
refuses what would leave the tenant's database, ``examine.examine`` does all of that in one pass, ``rewrite`` takes
definers out and makes events sleep, ``outgoing`` yields what is left to send and puts it into packets.
"""
