-- Agenda IA: the assistant that books by chat, and what it knows.

SET NAMES utf8mb4;

-- First rows: seeds/ai_intents.yaml
CREATE TABLE ai_intents (
    id             BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    code           VARCHAR(64)     NOT NULL,
    name           VARCHAR(120)    NOT NULL,
    examples       JSON            NOT NULL,
    min_confidence DECIMAL(4, 3)   NOT NULL DEFAULT 0.700,
    hands_over     BOOLEAN         NOT NULL DEFAULT FALSE,
    active         BOOLEAN         NOT NULL DEFAULT TRUE,
    PRIMARY KEY (id),
    UNIQUE KEY uq_ai_intents_code (code),
    CONSTRAINT chk_ai_intents_confidence CHECK (min_confidence BETWEEN 0 AND 1)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE knowledge_articles (
    id         BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    slug       VARCHAR(120)    NOT NULL,
    locale     VARCHAR(35)     NOT NULL,
    title      VARCHAR(200)    NOT NULL,
    body       MEDIUMTEXT      NOT NULL,
    published  BOOLEAN         NOT NULL DEFAULT FALSE,
    author_id  BIGINT UNSIGNED NULL,
    created_at DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (id),
    UNIQUE KEY uq_knowledge_articles_slug (slug, locale),
    KEY ix_knowledge_articles_author (author_id),
    CONSTRAINT fk_knowledge_articles_author FOREIGN KEY (author_id) REFERENCES users (id) ON DELETE SET NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE conversations (
    id               BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    client_id        BIGINT UNSIGNED NULL, -- NULL until the assistant knows who writes
    appointment_id   BIGINT UNSIGNED NULL,
    assigned_user_id BIGINT UNSIGNED NULL,
    channel          VARCHAR(16)     NOT NULL,
    external_ref     VARCHAR(191)    NULL,
    status           VARCHAR(16)     NOT NULL DEFAULT 'open',
    last_message_at  DATETIME        NULL,
    created_at       DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    closed_at        DATETIME        NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uq_conversations_external (channel, external_ref),
    KEY ix_conversations_inbox (status, last_message_at),
    KEY ix_conversations_client (client_id),
    KEY ix_conversations_appointment (appointment_id),
    KEY ix_conversations_user (assigned_user_id),
    CONSTRAINT fk_conversations_client FOREIGN KEY (client_id) REFERENCES clients (id) ON DELETE SET NULL,
    CONSTRAINT fk_conversations_appointment FOREIGN KEY (appointment_id)
        REFERENCES appointments (id) ON DELETE SET NULL,
    CONSTRAINT fk_conversations_user FOREIGN KEY (assigned_user_id) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT chk_conversations_channel CHECK (channel IN ('web', 'whatsapp', 'sms', 'email', 'instagram')),
    CONSTRAINT chk_conversations_status CHECK (status IN ('open', 'handed_over', 'closed'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE conversation_participants (
    id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    conversation_id BIGINT UNSIGNED NOT NULL,
    kind            VARCHAR(16)     NOT NULL,
    client_id       BIGINT UNSIGNED NULL,
    user_id         BIGINT UNSIGNED NULL,
    joined_at       DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    left_at         DATETIME        NULL,
    PRIMARY KEY (id),
    KEY ix_conversation_participants_conversation (conversation_id),
    KEY ix_conversation_participants_client (client_id),
    KEY ix_conversation_participants_user (user_id),
    CONSTRAINT fk_conversation_participants_conversation FOREIGN KEY (conversation_id)
        REFERENCES conversations (id) ON DELETE CASCADE,
    CONSTRAINT fk_conversation_participants_client FOREIGN KEY (client_id) REFERENCES clients (id) ON DELETE SET NULL,
    CONSTRAINT fk_conversation_participants_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT chk_conversation_participants_kind CHECK (kind IN ('client', 'user', 'assistant'))
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;

CREATE TABLE messages (
    id              BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    conversation_id BIGINT UNSIGNED NOT NULL,
    participant_id  BIGINT UNSIGNED NOT NULL,
    body            TEXT            NOT NULL,
    intent_id       BIGINT UNSIGNED NULL,
    confidence      DECIMAL(4, 3)   NULL,
    external_ref    VARCHAR(191)    NULL,
    sent_at         DATETIME        NOT NULL DEFAULT CURRENT_TIMESTAMP,
    read_at         DATETIME        NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uq_messages_external (conversation_id, external_ref),
    KEY ix_messages_timeline (conversation_id, sent_at),
    KEY ix_messages_participant (participant_id),
    KEY ix_messages_intent (intent_id),
    CONSTRAINT fk_messages_conversation FOREIGN KEY (conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
    CONSTRAINT fk_messages_participant FOREIGN KEY (participant_id)
        REFERENCES conversation_participants (id) ON DELETE CASCADE,
    CONSTRAINT fk_messages_intent FOREIGN KEY (intent_id) REFERENCES ai_intents (id) ON DELETE SET NULL,
    CONSTRAINT chk_messages_confidence CHECK (confidence BETWEEN 0 AND 1)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci;
